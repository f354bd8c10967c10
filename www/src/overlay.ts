/** The masks of a finished analysis, put over the scan or the picture as the person wants them. */
import { byId } from './dom.ts';
import { compose, readLabels, type LabelVolume, type LayerName, type Layers, type Visible } from './masks.ts';
import type { Areas, Picture } from './picture.ts';
import type { NamedBytes } from './protocol.ts';
import { STATIC, TEXT } from './strings.ts';
import type { Viewer } from './viewer.ts';

const LAYERS: LayerName[] = ['lungs', 'normnet', 'ggo', 'consolidation'];

export class Overlay {
  private grid: LabelVolume | undefined;
  private layers: Layers = {};

  constructor(
    private readonly viewer: () => Viewer | undefined,
    private readonly picture: Picture,
  ) {
    for (const name of LAYERS) byId(`layer-${name}`).addEventListener('change', () => this.refresh());
    byId('opacity').addEventListener('input', () => this.setOpacity());
    byId('outlines').addEventListener('change', () => this.viewer()?.setOutlines(checked('outlines')));
  }

  clear(): void {
    this.grid = undefined;
    this.layers = {};
    byId('layers').hidden = true;
  }

  /** `classified`: whether Inf-Net's label 2 has a meaning of its own. */
  async showVolume(files: NamedBytes[], classified: boolean): Promise<void> {
    this.clear();
    for (const name of ['lungs', 'normnet', 'infnet'] as const) {
      const file = files.find((candidate) => candidate.name.includes(`_${name}.`));
      if (file === undefined) continue;
      const volume = await readLabels(file.bytes);
      this.layers[name] = volume.labels;
      // One header is enough: all masks lie on the scan's own grid.
      this.grid ??= { ...volume, labels: new Uint8Array() };
    }
    this.offer({
      lungs: this.layers.lungs !== undefined,
      normnet: this.layers.normnet !== undefined,
      ggo: this.layers.infnet !== undefined,
      consolidation: this.layers.infnet !== undefined && classified,
    });
    const name = document.querySelector('[data-layer="ggo"] [data-t]');
    if (name !== null) name.textContent = classified ? STATIC.layerGgo : TEXT.infection;
    this.viewer()?.setOutlines(checked('outlines'));
    this.setOpacity();
    this.refresh();
  }

  async showPicture(classes: NamedBytes): Promise<Areas> {
    this.clear();
    const areas = await this.picture.setClasses(classes.bytes);
    this.offer({ lungs: false, normnet: false, ggo: true, consolidation: true });
    this.setOpacity();
    this.refresh();
    return areas;
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
    this.viewer()?.setOpacity(opacity);
    this.picture.setOpacity(opacity);
  }

  private refresh(): void {
    const visible: Visible = {
      lungs: checked('layer-lungs'),
      normnet: checked('layer-normnet'),
      ggo: checked('layer-ggo'),
      consolidation: checked('layer-consolidation'),
    };
    this.picture.setVisible(visible);
    if (this.grid === undefined) return;
    const voxels = this.grid.dims[0] * this.grid.dims[1] * this.grid.dims[2];
    void this.viewer()?.setOverlay(this.grid, compose(this.layers, visible, voxels));
  }
}

function checked(id: string): boolean {
  return byId<HTMLInputElement>(id).checked;
}
