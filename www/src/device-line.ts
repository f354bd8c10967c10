/** The line at the top that says what computes. */
import { byId } from './dom.ts';
import type { OpenedDevice } from './engine/events.ts';
import { onLanguage, TEXT } from './strings.ts';

let text = (): string => TEXT.deviceWaiting;
let version = '';

onLanguage(write);

export function showDevice(device: OpenedDevice, engine: string): void {
  byId('device').dataset['kind'] = device.kind;
  text = () => deviceText(device);
  version = engine;
  write();
}

/** Nothing computes; what once did stays named. */
export function showNoDevice(): void {
  if (byId('device').dataset['kind'] !== undefined) return;
  text = () => TEXT.deviceFailed;
  write();
}

function write(): void {
  byId('device').textContent = text();
  // The line may be cut where there is little room.
  byId('device').title = text();
  byId('version').textContent = version === '' ? '' : `${TEXT.title} ${version}`;
}

/** What computes, and why. */
export function deviceText(device: OpenedDevice): string {
  if (device.kind === 'gpu') {
    return device.software ? TEXT.deviceGpuSoftware(device.name) : TEXT.deviceGpu(device.name);
  }
  return TEXT.deviceCpu(device.workers, device.reason === undefined ? device.name : TEXT.cpuReason(device.reason));
}
