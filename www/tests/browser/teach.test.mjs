// The lesson: from the first step to the last on the demo piece, with what the sliders do, links, paper and keys.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertAccessible } from '../lib/axe.mjs';
import { ANALYSIS_MS, saveAll, skipReason, soon, useBrowser, waitForResult } from '../lib/browser.mjs';
import { shown } from '../lib/lesson.mjs';
import { readMask } from '../lib/nifti.mjs';

/** A number for each figure that changes with its pixels, and how many colours it has. */
const figures = (page) =>
  page.$$eval('#teach .teach-canvas canvas', (canvases) =>
    canvases.map((canvas) => {
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      const colours = new Set();
      let sum = 0;
      for (let at = 0; at < data.length; at += 4) {
        const colour = (data[at] << 16) | (data[at + 1] << 8) | data[at + 2];
        sum = (sum * 31 + colour) % 2147483647;
        if (colours.size < 50) colours.add(colour);
      }
      return { sum, colours: colours.size, width: canvas.width };
    }),
  );

const slide = (page, name, value) =>
  page.$eval(
    `#teach input[name="${name}"]`,
    (input, to) => {
      input.value = String(to);
      input.dispatchEvent(new Event('input', { bubbles: true }));
    },
    value,
  );

/** Voxels on the slice, as the last line under the figures says. */
const voxels = async (page) => {
  const lines = await page.$$eval('#teach .teach-said li', (items) => items.map((item) => item.textContent));
  return Number(/: ([\d,]+) voxels/.exec(lines.join(' '))[1].replaceAll(',', ''));
};

describe('the lesson', { skip: skipReason(), timeout: ANALYSIS_MS }, () => {
  const { open } = useBrowser();

  test('walks from the first step to the last, and every figure shows something', async (t) => {
    const { page, watch } = await open(t, '?device=cpu&demo=40#learn=window');
    await shown(page);
    const steps = await page.$$eval('#teach .teach-list a', (links) => links.map((link) => link.dataset.step));
    const seen = [];
    for (const [n, step] of steps.entries()) {
      await shown(page);
      assert.match(page.url(), new RegExp(`#learn=${step}&`));
      const drawn = await figures(page);
      assert.ok(drawn.length >= 2, step);
      for (const { colours, width } of drawn) assert.ok(colours > 1 && width > 100, `${step}: ${JSON.stringify(drawn)}`);
      assert.equal(new Set(drawn.map(({ sum }) => sum)).size, drawn.length, `${step}: no figure twice`);
      seen.push(...drawn.map(({ sum }) => sum));
      if (n < steps.length - 1) await page.keyboard.press('ArrowRight');
    }
    assert.ok(await page.isDisabled('#teach-next'));
    assert.ok(steps.length >= 20 && seen.length > 50);
    await page.keyboard.press('ArrowLeft');
    await shown(page);
    assert.match(page.url(), /learn=classes/);
    assert.deepEqual([watch.foreign, watch.errors], [[], []]);
    // The networks' other weights came with the step that shows them, and no earlier.
    const asked = watch.requests.findIndex((url) => url.includes('.f16.'));
    assert.ok(asked > watch.requests.findIndex((url) => url.includes('infnet-semi.int8')));
    assert.equal(watch.requests.filter((url) => url.includes('.f16.')).length, 1);
  });

  test('sliders act, links restore, and settings are no part of the scan', async (t) => {
    const { page, watch } = await open(t, '?device=cpu&demo=40#learn=growth&bright=0.3&full=0.1');
    await shown(page);
    const at = async () => [await page.inputValue('#teach input[name="bright"]'), await page.inputValue('#teach input[name="full"]')];
    assert.deepEqual(await at(), ['0.3', '0.1']);
    const before = await figures(page);
    await slide(page, 'full', 0.4);
    await shown(page);
    assert.notDeepEqual(await figures(page), before);
    await slide(page, 'full', 0.1);
    await shown(page);
    assert.deepEqual(await figures(page), before);

    await page.click('#teach .teach-list a[data-step="lesions"]');
    await shown(page);
    const first = await figures(page);
    for (const [name, value] of [['size', 1.5], ['density', 0.6], ['blur', 3], ['brightness', 0.9]]) {
      const earlier = await figures(page);
      await slide(page, name, value);
      await shown(page);
      assert.notDeepEqual(await figures(page), earlier, name);
    }
    await page.click('#teach .teach-reset');
    await shown(page);
    assert.deepEqual(await figures(page), first);
    await page.click('#teach .teach-another');
    await shown(page);
    const other = await figures(page);
    assert.notDeepEqual(other, first);
    assert.match(page.url(), /seed=2/);

    const link = page.url();
    const again = await open(t, link.slice(link.indexOf('?')));
    await shown(again.page);
    assert.deepEqual(await figures(again.page), other);
    assert.equal(again.page.url(), link);
    await page.goBack();
    await shown(page);
    assert.match(page.url(), /learn=growth/);
    assert.deepEqual([watch.errors, again.watch.errors], [[], []]);
  });

  test('ends where the analysis ends, and computes nothing of NormNet again', async (t) => {
    const { page, watch } = await open(t, '?device=cpu&demo=40');
    await waitForResult(page);
    const files = await saveAll(page);
    const mask = (end) => {
      const [, bytes] = [...files].find(([name]) => name.endsWith(end));
      return readMask(bytes);
    };
    const weights = watch.requests.filter((url) => url.includes('normnet-')).length;
    await page.click('#teach-scan');
    await shown(page);
    assert.equal(await page.isVisible('main'), false);
    for (const [step, end] of [['growth', '_normnet.nii.gz'], ['probability', '_infnet.nii.gz']]) {
      await page.click(`#teach .teach-list a[data-step="${step}"]`);
      await shown(page);
      const { dims, labels } = mask(end);
      const plane = dims[0] * dims[1];
      const marked = (slice) => labels.subarray((slice - 1) * plane, slice * plane).filter((value) => value > 0).length;
      const shownFirst = Number(await page.inputValue('#teach-slice'));
      const fullest = Array.from({ length: dims[2] }, (_, k) => k + 1).reduce((a, b) => (marked(b) > marked(a) ? b : a));
      for (const slice of [fullest, shownFirst]) {
        await page.$eval('#teach-slice', (input, to) => ((input.value = String(to)), input.dispatchEvent(new Event('input'))), slice);
        await shown(page);
        // The phantom's slices lie as the engine counts them.
        assert.equal(await voxels(page), marked(slice), `${step}, slice ${slice}`);
      }
      assert.ok(marked(fullest) > 50, `${marked(fullest)} voxels`);
    }
    assert.equal(watch.requests.filter((url) => url.includes('normnet-')).length, weights);
    await page.click('#teach-back');
    assert.ok(await page.isVisible('#results'));
    assert.doesNotMatch(page.url(), /learn/);
    assert.deepEqual(watch.errors, []);
  });

  test('can be used by everybody, on a phone, in other languages and on paper', async (t) => {
    const { page, watch } = await open(t, '?device=cpu&lang=de&demo=40', {
      init: () => {
        window.print = () => {
          const sheet = document.getElementById('teach-handout');
          window.printed = {
            steps: sheet.querySelectorAll('article').length,
            figures: sheet.querySelectorAll('canvas[role="img"]').length,
            empty: [...sheet.querySelectorAll('canvas')].filter((canvas) => canvas.width < 2).length,
            text: sheet.textContent,
          };
          window.dispatchEvent(new Event('afterprint'));
        };
      },
    });
    await page.click('#cancel');
    await page.goto(page.url().split('#')[0] + '#learn=votes');
    await shown(page);
    assert.equal(await page.textContent('#teach .teach-heading'), 'Fünf Stimmen');
    await assertAccessible(page, 'the lesson');
    for (const width of [360, 390, 768]) {
      await page.setViewportSize({ width, height: 800 });
      await soon(async () => assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= width, `at ${width}`));
    }
    await page.selectOption('#language', 'en');
    assert.equal(await page.textContent('#teach .teach-heading'), 'Five votes');
    await page.click('#teach-print');
    const printed = await (await page.waitForFunction(() => window.printed, null, { timeout: ANALYSIS_MS })).jsonValue();
    assert.deepEqual([printed.steps, printed.empty], [20, 0]);
    assert.ok(printed.figures > 50);
    assert.match(printed.text, /not for diagnosis/);
    assert.equal(await page.$('#teach-handout'), null);
    assert.deepEqual(watch.errors, []);
  });
});
