/** The masks of a finished analysis, put over the scan or the picture as the person wants them. */
import { byId } from './dom.ts';
import type { Areas } from './picture.ts';
import type { LayerName, NamedBytes, Visible } from './protocol.ts';
import type { Stage } from './stage.ts';
import { onLanguage, TEXT } from './strings.ts';

const LAYERS: LayerName[] = ['lungs', 'normnet', 'ggo', 'consolidation'];

export class Overlay {
  private hasMasks = false;
  private classified = true;

  constructor(private readonly stage: Stage) {
    for (const name of LAYERS) byId(`layer-${name}`).addEventListener('change', () => this.refresh());
    byId('opacity').addEventListener('input', () => this.setOpacity());
    byId('outlines').addEventListener('change', () => this.stage.viewer?.setOutlines(checked('outlines')));
    onLanguage(() => this.nameInfection());
  }

  clear(): void {
    this.hasMasks = false;
    byId('layers').hidden = true;
  }

  /** `classified`: whether Inf-Net's label 2 has a meaning of its own. */
  async showVolume(files: NamedBytes[], classified: boolean): Promise<void> {
    this.clear();
    const present = await this.stage.setMasks(files);
    // Another scan has taken the place of theirs, or nothing can be shown.
    if (present === undefined) return;
    this.hasMasks = true;
    this.offer({ ...present, consolidation: present.consolidation && classified });
    this.classified = classified;
    this.nameInfection();
    this.stage.viewer?.setOutlines(checked('outlines'));
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
    byId('layers').hidden = false;
  }

  private setOpacity(): void {
    const opacity = Number(byId<HTMLInputElement>('opacity').value) / 100;
    this.stage.viewer?.setOpacity(opacity);
    this.stage.picture.setOpacity(opacity);
  }

  private refresh(): void {
    const visible: Visible = {
      lungs: checked('layer-lungs'),
      normnet: checked('layer-normnet'),
      ggo: checked('layer-ggo'),
      consolidation: checked('layer-consolidation'),
    };
    this.stage.picture.setVisible(visible);
    // The last wish is answered last, so that it is what stays.
    if (this.hasMasks) void this.stage.showLayers(visible).catch(() => undefined);
  }
}

function checked(id: string): boolean {
  return byId<HTMLInputElement>(id).checked;
}
