/** The sliders of a step. */
import { make } from '../dom.ts';
import { fixed, whole } from '../format.ts';
import type { LessonOutline } from '../protocol.ts';
import { fit, SETTINGS, type Setting, type Settings } from './state.ts';
import { usual } from './steps.ts';
import { CONTROLS, VALUES } from './texts.ts';
import { words } from './words.ts';

export class ControlsView {
  readonly element = make('fieldset', { class: 'teach-controls' });
  private readonly rows = new Map<Setting, { input: HTMLInputElement; output: HTMLOutputElement }>();
  private settings: Settings = {};

  constructor(
    private readonly controls: readonly Setting[],
    private readonly outline: LessonOutline,
    /** A setting has a new value, or none: then it is as the analysis or the generator has it. */
    private readonly changed: (settings: Settings) => void,
  ) {
    this.element.append(make('legend', {}, [words().settings]));
    for (const setting of controls) this.element.append(setting === 'beyond' ? this.box(setting) : this.slider(setting));
    const buttons = make('div', { class: 'buttons' });
    if (controls.includes('seed')) buttons.append(this.button('teach-another', words().another, () => this.another()));
    buttons.append(this.button('teach-reset', words().reset, () => this.reset()));
    this.element.append(buttons);
    this.element.hidden = controls.length === 0;
  }

  /** Shows these values. */
  set(settings: Settings): void {
    this.settings = settings;
    for (const [setting, { input, output }] of this.rows) {
      const value = settings[setting] ?? usual(setting, this.outline);
      const { min, max } = SETTINGS[setting];
      if (input.type === 'checkbox') input.checked = value === 1;
      else input.value = String(value ?? (min + max) / 2);
      output.value = say(setting, value);
    }
  }

  private slider(setting: Setting): HTMLElement {
    const { min, max, step } = SETTINGS[setting];
    const attributes = { type: 'range', name: setting, min: String(min), max: String(max), step: String(step) };
    const [input, output] = [make('input', attributes), make('output')];
    input.addEventListener('input', () => this.change(setting, Number(input.value)));
    this.rows.set(setting, { input, output });
    return make('label', { lang: 'en' }, [make('span', {}, [CONTROLS[setting]]), input, output]);
  }

  private box(setting: Setting): HTMLElement {
    const [input, output] = [make('input', { type: 'checkbox', name: setting }), make('output', { hidden: '' })];
    input.addEventListener('change', () => this.change(setting, input.checked ? 1 : 0));
    this.rows.set(setting, { input, output });
    return make('label', { class: 'box', lang: 'en' }, [input, make('span', {}, [CONTROLS[setting]]), output]);
  }

  private button(name: string, text: string, act: () => void): HTMLButtonElement {
    const button = make('button', { type: 'button', class: `small ${name}` }, [text]);
    button.addEventListener('click', act);
    return button;
  }

  private change(setting: Setting, value: number): void {
    const settings = { ...this.settings, [setting]: fit(setting, value) };
    // What is as usual need not be in the address.
    if (settings[setting] === usual(setting, this.outline)) delete settings[setting];
    this.set(settings);
    this.changed(settings);
  }

  private another(): void {
    const { min, max } = SETTINGS.seed;
    const seed = (this.settings.seed ?? usual('seed', this.outline) ?? min) + 1;
    this.change('seed', seed > max ? min : seed);
  }

  private reset(): void {
    const settings = { ...this.settings };
    for (const setting of this.controls) delete settings[setting];
    this.set(settings);
    this.changed(settings);
  }
}

function say(setting: Setting, value: number | undefined): string {
  if (value === undefined) return VALUES.drawn;
  if (setting === 'channel' && value === 0) return VALUES.mean;
  const { step } = SETTINGS[setting];
  return Number.isInteger(step) ? whole(value) : fixed(value, step < 0.1 ? 2 : 1);
}
