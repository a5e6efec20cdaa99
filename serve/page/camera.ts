/** Takes a photo with the camera, and captions its picture as it goes where that is fast enough; where the browser offers none, the system's own way to take one is opened. */

import { byId, drawingOn, jpegOf, sentenceOf } from './dom.js';
import { filesOf } from './intake.js';

export function setUpCamera(
  onPhoto: (file: File) => void,
  captionVideo?: (video: HTMLVideoElement) => Promise<string>,
): void {
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
    if (captionVideo) void describe(captionVideo, stream);
  };
  /** Captions the picture, again and again, until the stream ends. */
  const describe = async (caption: (video: HTMLVideoElement) => Promise<string>, shown: MediaStream): Promise<void> => {
    const line = byId('live-caption', HTMLElement);
    line.textContent = '';
    while (stream === shown) {
      const begun = performance.now();
      try {
        if (video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA) line.textContent = await caption(video);
      } catch (error) {
        if (stream === shown) line.textContent = sentenceOf(error);
      }
      // The page keeps time for everything else.
      await new Promise((resolve) => setTimeout(resolve, Math.max(50, 0.2 * (performance.now() - begun))));
    }
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
