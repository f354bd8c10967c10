/** The planes on paper: WebGL's drawing is gone once it was shown, so a picture of it is made as it is drawn. */
import { byId } from './dom.ts';
import type { Viewer } from './viewer.ts';

export function startPaper(viewer: () => Viewer | undefined): void {
  window.addEventListener('beforeprint', () => {
    const drawn = viewer()?.snapshot();
    // Behind the lesson it has no size.
    if (drawn === undefined || drawn.width === 0 || drawn.height === 0) return;
    const paper = byId<HTMLCanvasElement>('paper');
    paper.width = drawn.width;
    paper.height = drawn.height;
    // In the same task: the drawing buffer does not outlive it.
    paper.getContext('2d')?.drawImage(drawn, 0, 0);
  });
}
