/** The masks of a finished analysis, put over the scan or the picture as the person wants them. */
import { byId } from './dom.ts';
import type { Areas } from './picture.ts';
import type { LayerName, NamedBytes, NetworkName, View, Visible } from './protocol.ts';
import type { Stage } from './stage.ts';
import { onLanguage, TEXT } from './strings.ts';

const LAYERS: LayerName[] = ['lungs', 'normnet', 'ggo', 'consolidation'];
type Lesions = Omit<Visible, 'lungs'>;

/** What a choice of `show` ticks. */
const PRESETS: Record<string, Lesions> = {
  both: { normnet: true, ggo: true, consolidation: true },
  normnet: { normnet: true, ggo: false, consolidation: false },
  infnet: { normnet: false, ggo: true, consolidation: true },
  difference: { normnet: true, ggo: true, consolidation: true },
  lungs: { normnet: false, ggo: false, consolidation: false },
};
const OWN = 'own';

export class Overlay {
  private hasMasks = false;
  private classified = true;
  private readonly show = byId<HTMLSelectElement>('show');
  private readonly slider = byId<HTMLInputElement>('opacity');
  /** What it goes back to when the overlay is switched on again. */
  private lastOpacity = Number(this.slider.value);

  constructor(
    private readonly stage: Stage,
    /** The person wants to see this network alone. */
    private readonly chosen: (network: NetworkName) => void,
  ) {
    for (const name of LAYERS) byId(`layer-${name}`).addEventListener('change', () => this.ticked());
    this.show.addEventListener('change', () => this.choose(this.show.value));
    this.slider.addEventListener('input', () => this.setOpacity());
    byId('outlines').addEventListener('change', () => this.setOpacity());
    onLanguage(() => this.nameInfection());
  }

  clear(): void {
    this.hasMasks = false;
    byId('layers').hidden = true;
  }

  /** `classified`: whether Inf-Net's label 2 has a meaning of its own. */
  async showVolume(files: NamedBytes[], classified: boolean): Promise<void> {
    const present = await this.stage.setMasks(files);
    // Another scan has taken the place of theirs, or nothing can be shown.
    if (present === undefined) return;
    this.hasMasks = true;
    this.offer({ ...present, consolidation: present.consolidation && classified });
    this.classified = classified;
    this.nameInfection();
    this.setOpacity();
    this.refresh();
  }

  async showPicture(classes: NamedBytes): Promise<Areas> {
    this.clear();
    this.classified = true;
    const areas = await this.stage.picture.setClasses(classes.bytes);
    this.offer({ lungs: false, normnet: false, ggo: true, consolidation: true });
    this.setOpacity();
    this.refresh();
    return areas;
  }

  /** Off means fully transparent, and on as opaque as before. */
  toggle(): void {
    const opacity = Number(this.slider.value);
    if (opacity > 0) this.lastOpacity = opacity;
    this.slider.value = String(opacity > 0 ? 0 : this.lastOpacity);
    this.setOpacity();
  }

  changeOpacity(by: number): void {
    // The slider keeps to its own ends.
    this.slider.value = String(Number(this.slider.value) + by);
    this.setOpacity();
  }

  /** What is painted on has to be seen. */
  reveal(network: NetworkName): void {
    tick(network === 'normnet' ? 'layer-normnet' : 'layer-ggo', true);
    this.ticked();
  }

  /** Where classes are not told apart, Inf-Net's first label is all of its infection. */
  private nameInfection(): void {
    const name = document.querySelector('[data-layer="ggo"] [data-t]');
    if (name !== null) name.textContent = this.classified ? TEXT.page.layerGgo : TEXT.infection;
  }

  private offer(present: Visible): void {
    for (const name of LAYERS) {
      const label = document.querySelector<HTMLElement>(`[data-layer="${name}"]`);
      if (label !== null) label.hidden = !present[name];
    }
    byId('outlines-label').hidden = !present.lungs;
    // With one network there is nothing to choose between.
    byId('show-label').hidden = !(present.normnet && present.ggo);
    byId('layers').hidden = false;
  }

  private choose(name: string): void {
    for (const [layer, on] of Object.entries(PRESETS[name] ?? {})) tick(`layer-${layer}`, on);
    if (name === 'normnet' || name === 'infnet') this.chosen(name);
    this.refresh();
  }

  /** The choice becomes the one that has these ticks. */
  private ticked(): void {
    const now = this.view();
    const fits = ([, preset]: [string, Lesions]): boolean =>
      preset.normnet === now.normnet && preset.ggo === now.ggo && preset.consolidation === now.consolidation;
    this.show.value = Object.entries(PRESETS).find(fits)?.[0] ?? OWN;
    this.refresh();
  }

  private setOpacity(): void {
    const opacity = Number(this.slider.value) / 100;
    this.stage.viewer?.setOutlines(checked('outlines') && opacity > 0);
    this.stage.viewer?.setOpacity(opacity);
    this.stage.picture.setOpacity(opacity);
  }

  private view(): View {
    return {
      lungs: checked('layer-lungs'),
      normnet: checked('layer-normnet'),
      ggo: checked('layer-ggo'),
      consolidation: checked('layer-consolidation'),
      difference: this.show.value === 'difference',
    };
  }

  private refresh(): void {
    this.stage.picture.setVisible(this.view());
    // Answers come in the order of the questions, so that the last wish is what stays.
    if (this.hasMasks) void this.stage.showLayers(this.view()).catch(() => undefined);
  }
}

function checked(id: string): boolean {
  return byId<HTMLInputElement>(id).checked;
}

function tick(id: string, on: boolean): void {
  byId<HTMLInputElement>(id).checked = on;
}
