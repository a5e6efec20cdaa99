/** Takes a photo with the camera; where the browser offers none, the system's own way to take one is opened. */

import { byId, drawingOn, jpegOf } from './dom.js';
import { filesOf } from './intake.js';

export function setUpCamera(onPhoto: (file: File) => void): void {
  const dialog = byId('camera-dialog', HTMLDialogElement);
  const video = byId('video', HTMLVideoElement);
  const capture = byId('capture', HTMLInputElement);
  const shutter = byId('shutter', HTMLButtonElement);
  let stream: MediaStream | undefined;

  const start = async (): Promise<void> => {
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } });
    } catch {
      capture.click(); // no camera, no permission, or no secure connection
      return;
    }
    video.srcObject = stream;
    dialog.showModal();
    shutter.focus();
  };
  const stop = (): void => {
    for (const track of stream?.getTracks() ?? []) track.stop();
    stream = undefined;
    video.srcObject = null;
  };
  const takePhoto = async (): Promise<void> => {
    if (!video.videoWidth) return;
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    drawingOn(canvas).drawImage(video, 0, 0);
    const blob = await jpegOf(canvas, 0.95);
    dialog.close();
    onPhoto(new File([blob], 'camera.jpg', { type: 'image/jpeg' }));
  };

  byId('camera', HTMLButtonElement).addEventListener('click', () => void start());
  shutter.addEventListener('click', () => void takePhoto());
  byId('camera-cancel', HTMLButtonElement).addEventListener('click', () => {
    dialog.close();
  });
  dialog.addEventListener('close', stop);
  capture.addEventListener('change', () => {
    for (const file of filesOf(capture)) onPhoto(file);
    capture.value = '';
  });
}
