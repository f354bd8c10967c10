/** All steps on paper, with the slice and the settings as they are. */
import { make } from '../dom.ts';
import { TEXT } from '../strings.ts';
import { FigureView } from './figure.ts';
import { STEPS, type StepId } from './state.ts';
import { STEP, type Here } from './steps.ts';
import { TEXTS } from './texts.ts';
import { words } from './words.ts';
import { written } from './written.ts';

/** Of a figure on paper, in CSS pixels, and device pixels for each. */
const WIDTH = 260;
const RATIO = 2;

export async function makeHandout(steps: StepId[], here: Here, caption: string, done: (count: number) => void): Promise<HTMLElement> {
  const sheet = make('section', { id: 'teach-handout' }, [
    make('h1', {}, [`Pleura: ${words().title}`]),
    make('p', { class: 'quiet' }, [caption]),
    make('p', {}, [make('strong', {}, [TEXT.page.notice])]),
  ]);
  for (const [count, step] of steps.entries()) {
    done(count);
    const { figures, said } = await STEP[step].show(here);
    const views = figures.map((figure) => {
      const view = new FigureView();
      view.show(figure, WIDTH, RATIO);
      return view.element;
    });
    sheet.append(
      make('article', {}, [
        make('h2', {}, [`${STEPS.indexOf(step) + 1}. ${words().titles[step]}`]),
        make('div', { lang: 'en' }, written(TEXTS[step])),
        make('div', { class: 'teach-figures' }, views),
        make('ul', { class: 'teach-said', lang: 'en' }, said.map((line) => make('li', {}, [line]))),
      ]),
    );
  }
  return sheet;
}
