// The lesson's place in the address, and its colours.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { load } from '../lib/load.mjs';

const { fit, format, neighbour, parse, partOf, SETTINGS, STEPS } = await load('teach/state.ts');
const { TEXTS } = await load('teach/texts.ts');
const { colour } = await load('teach/colours.ts');

describe('the address of a step', () => {
  test('comes back as it was', () => {
    const states = [
      { step: 'window', slice: undefined, settings: {} },
      { step: 'growth', slice: 119, settings: { healthy: 0.6, votes: 2, bright: 0.25, full: 0.1 } },
      { step: 'lesions', slice: 0, settings: { seed: 17, beyond: 1, amount: 0.7, blur: 1.8, warp: 450 } },
      { step: 'int8', slice: 3, settings: { infection: 0.35, channel: 12 } },
    ];
    for (const state of states) assert.deepEqual(parse(format(state)), state);
    assert.equal(format(states[1]), '#learn=growth&slice=120&healthy=0.6&votes=2&bright=0.25&full=0.1');
  });

  test('is not taken for one where it is none', () => {
    for (const hash of ['', '#', '#top', '#step=growth']) assert.equal(parse(hash), undefined);
  });

  test('leaves out what it does not understand, and brings numbers into their range', () => {
    const wild = parse('#learn=nonsense&slice=-4&healthy=7&votes=2.4&bright=&full=x&seed=1e9&__proto__=3&name=Doe');
    assert.deepEqual(wild, { step: 'window', slice: 0, settings: { healthy: 0.99, votes: 2, seed: 9999 } });
    assert.equal(parse('#learn=growth&slice=Infinity').slice, undefined);
  });

  test('holds values that the sliders can take', () => {
    for (const [name, { min, max, step }] of Object.entries(SETTINGS)) {
      assert.equal(fit(name, min), min);
      // The last position of a slider is the last whole step.
      assert.ok(max - fit(name, max) < step, name);
      assert.equal(fit(name, fit(name, 0.3331)), fit(name, 0.3331));
    }
  });
});

test('every step has its neighbours and its words', () => {
  let step = STEPS[0];
  const way = [step];
  while ((step = neighbour(step, 1)) !== undefined) way.push(step);
  assert.deepEqual(way, [...STEPS]);
  assert.equal(neighbour(STEPS[0], -1), undefined);
  assert.equal(neighbour(STEPS[1], -1), STEPS[0]);
  assert.deepEqual([partOf('growth'), partOf('input')], ['normnet', 'infnet']);
  for (const each of STEPS) {
    const { cite, text, figures } = TEXTS[each];
    assert.ok(cite !== '' && text.length > 0 && Object.keys(figures).length > 0, each);
    for (const { title, caption } of Object.values(figures)) assert.ok(title !== '' && caption !== '', each);
  }
});

test('scales get lighter all the way, or to the middle and back', () => {
  const light = (scale, value) => {
    const [r, g, b] = colour(scale, value);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const steps = (from, to) => Array.from({ length: 21 }, (_, n) => from + ((to - from) * n) / 20);
  const rises = (scale, from, to) => {
    const values = steps(from, to).map((value) => light(scale, value));
    for (const [n, value] of values.entries()) assert.ok(n === 0 || value > values[n - 1], `${scale} at ${n}`);
  };
  rises('grey', 0, 1);
  rises('viridis', 0, 1);
  rises('diverging', 0, 0.5);
  rises('diverging', 1, 0.5);
  assert.deepEqual(colour('grey', 2), [255, 255, 255]);
  assert.deepEqual(colour('grey', -1), [0, 0, 0]);
});
