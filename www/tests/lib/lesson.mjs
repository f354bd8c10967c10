// The lesson as a test sees it.
import { ANALYSIS_MS } from './browser.mjs';

/** Waits until the step that the address names is shown with its settings. */
export async function shown(page) {
  const settled = () => {
    const lesson = document.getElementById('teach');
    return lesson?.dataset.shown === location.hash && !lesson.hasAttribute('aria-busy');
  };
  const failed = page.waitForSelector('#teach .teach-problem:not([hidden])', { timeout: ANALYSIS_MS });
  const done = page.waitForFunction(settled, null, { timeout: ANALYSIS_MS });
  done.catch(() => undefined);
  failed.catch(() => undefined);
  const first = await Promise.race([done.then(() => true), failed.then(() => false)]);
  if (!first) throw new Error(`the page says: ${await page.textContent('#teach .teach-problem')}`);
}
