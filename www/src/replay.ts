/** A recorded run done again: its manifest is opened with the scan or before it, and the masks are compared. */
import type { Opened } from './folder.ts';
import { whole } from './format.ts';
import type { NamedBytes, NamedFile, Options, ScanInfo } from './protocol.ts';
import { differences, findManifest, manifestOf, otherWeights, readManifest, UnfitManifest, type RunManifest } from './run-manifest.ts';
import { recordedIntoForm } from './settings.ts';
import { showMessage, type Text } from './status.ts';
import { TEXT } from './strings.ts';

export interface ReplayActions {
  /** Opens what came beside a run manifest, or without one. */
  open(opened: Opened): void;
  /** Analyses the scan that is open; false where there is none. */
  again(): boolean;
  /** Ends what is going on: it can't be the recorded run. */
  stop(): void;
}

export class Replay {
  private run: RunManifest | undefined;
  /** It has been opened, and its scan has not. */
  private waiting = false;

  constructor(
    private readonly form: HTMLFormElement,
    private readonly actions: ReplayActions,
  ) {}

  /** Takes the run manifest out of what was opened; the rest is the scan. */
  async opened(opened: Opened): Promise<void> {
    const manifest = findManifest(opened.files);
    if (manifest === undefined) {
      this.actions.open(opened);
      return;
    }
    let run: RunManifest;
    try {
      run = await readManifest(manifest);
    } catch (error) {
      showMessage(() => TEXT.replay.notRead, () => reason(error, manifest.name), 'problem');
      return;
    }
    this.run = run;
    this.waiting = true;
    const rest = scanIn(opened, manifest, run);
    if (rest !== undefined) {
      this.actions.open(rest);
    } else if (!this.actions.again()) {
      showMessage(() => TEXT.replay.title, () => TEXT.replay.waiting(run.input.name), 'note');
    }
  }

  /** An analysis begins: the recorded one if its manifest has just come, and none of the recorded otherwise. */
  begin(): void {
    if (!this.waiting) this.run = undefined;
    this.waiting = false;
    if (this.run !== undefined) recordedIntoForm(this.form, this.run.options, this.run.device.startsWith('CPU'));
  }

  /** From now on the form's options hold. */
  forget(): void {
    this.run = undefined;
    this.waiting = false;
  }

  /** The recorded options, or else those of the form. */
  options(form: Options): Options {
    return this.run?.options ?? form;
  }

  /** The recorded series: it need not be asked for. */
  get series(): string | undefined {
    return this.run?.input.series;
  }

  /** Ends an analysis that is not of the recorded scan, or with other weights. */
  async check(info: ScanInfo, weights: Promise<{ entries: { file: string; sha256: string }[] }>): Promise<void> {
    const { run } = this;
    if (run === undefined) return;
    const refuse = (text: Text): void => {
      if (run !== this.run) return;
      this.forget();
      this.actions.stop();
      showMessage(() => TEXT.replay.notRun, text, 'problem');
    };
    if (run.lungs !== undefined) {
      refuse(() => TEXT.replay.lungsGiven);
      return;
    }
    if (info.sha256 !== run.input.sha256) {
      refuse(() => TEXT.replay.otherInput(run.input.name));
      // The recorded scan may follow.
      this.run = run;
      this.waiting = true;
      return;
    }
    // Without a manifest of weights the analysis itself fails, and says why.
    const { entries } = await weights.catch(() => ({ entries: undefined }));
    const other = entries === undefined ? [] : otherWeights(run, entries);
    if (other.length > 0) refuse(() => TEXT.replay.otherWeights(other.join(', '), run.version));
  }

  /** Says whether the masks are the same. */
  finished(files: NamedBytes[]): void {
    const { run } = this;
    const now = manifestOf(files);
    if (run === undefined || now === undefined) return;
    const other = differences(run, now);
    const all = run.masks.length;
    if (other.length === 0) {
      showMessage(() => TEXT.replay.same, () => TEXT.replay.sameText(all), 'note');
      return;
    }
    const sameDevice = run.device === now.device;
    const text = (): string => {
      const listed = other.map(({ mask: { file, marked: then }, marked }) => {
        if (marked === undefined) return file;
        return then === marked ? TEXT.replay.otherValues(file, whole(then)) : TEXT.replay.marked(file, whole(then), whole(marked));
      });
      const devices = sameDevice ? '' : TEXT.replay.devices(run.device, now.device);
      return `${TEXT.replay.differText(other.length, all)} ${listed.join('; ')}. ${devices}`.trim();
    };
    // Another device is no fault.
    showMessage(() => TEXT.replay.differ, text, sameDevice ? 'problem' : 'note');
  }
}

/** What was opened beside the run manifest and its own results; nothing if that was all. */
function scanIn(opened: Opened, manifest: NamedFile, run: RunManifest): Opened | undefined {
  const last = (path: string): string => path.split('/').at(-1) ?? path;
  const files = opened.files.filter((file) => file !== manifest && !run.files.includes(last(file.name)));
  const [first] = files;
  if (first === undefined) return undefined;
  // Without a folder the first file has given its name, which may be the manifest's.
  const named = opened.files.some((file) => last(file.name) === opened.name);
  return { name: named ? last(first.name) : opened.name, files };
}

function reason(error: unknown, file: string): string {
  const schema = error instanceof UnfitManifest ? error.schema : undefined;
  return schema === undefined ? TEXT.replay.unfit(file) : TEXT.replay.otherLayout(file, schema);
}
