/** What is written of a step, on the screen and on paper. */
import { make } from '../dom.ts';
import type { StepText } from './texts.ts';

export function written({ cite, text, formula }: StepText): Node[] {
  return [
    make('p', { class: 'quiet teach-cite' }, [cite]),
    ...text.map((paragraph) => make('p', {}, [paragraph])),
    ...(formula ?? []).map((line) => make('p', { class: 'teach-formula' }, [line])),
  ];
}
