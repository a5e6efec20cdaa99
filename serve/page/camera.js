/** Takes a photo with the camera; where the browser gives none, the system's own way to take one is opened. */

import { byId } from './dom.js';

/** @param {(file: File) => void} onPhoto */
export function setUpCamera(onPhoto) {
  const dialog = byId('camera-dialog');
  const video = byId('video');
  const capture = byId('capture');
  let stream;

  const stop = () => {
    for (const track of stream?.getTracks() ?? []) track.stop();
    stream = undefined;
    video.srcObject = null;
  };

  byId('camera').addEventListener('click', async () => {
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } });
    } catch {
      capture.click(); // no camera, no permission, or no safe connection
      return;
    }
    video.srcObject = stream;
    dialog.showModal();
    byId('shutter').focus();
  });
  byId('shutter').addEventListener('click', () => {
    if (!video.videoWidth) return;
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    canvas.getContext('2d').drawImage(video, 0, 0);
    canvas.toBlob(
      (blob) => {
        dialog.close();
        onPhoto(new File([blob], 'camera.jpg', { type: 'image/jpeg' }));
      },
      'image/jpeg',
      0.95,
    );
  });
  byId('camera-cancel').addEventListener('click', () => dialog.close());
  dialog.addEventListener('close', stop);
  capture.addEventListener('change', () => {
    for (const file of capture.files) onPhoto(file);
    capture.value = '';
  });
}
