/** What the page hears of the engine. */
import type { Bytes, CpuReason, DeviceInfo, NamedBytes, ScanInfo, SeriesInfo, Stage, Tile } from '../protocol.ts';
import type { Recovery } from './ladder.ts';

export interface OpenedDevice extends DeviceInfo {
  workers: number;
  /** Set where the CPU was taken. */
  reason?: CpuReason;
}

export type EngineEvent =
  | { type: 'device'; version: string; device: OpenedDevice }
  | { type: 'demo'; file: NamedBytes }
  /** The case Worker reads the file. */
  | { type: 'reading' }
  /** The engine waits until one is chosen. */
  | { type: 'series'; series: SeriesInfo[] }
  | { type: 'info'; info: ScanInfo }
  | { type: 'shown'; file: Bytes }
  | { type: 'weights'; done: number; total: number; cached: boolean }
  | { type: 'prepare'; fraction: number }
  /** `done` are the tiles kept from before a restart. */
  | { type: 'plan'; labels: string[]; done: number[] }
  | { type: 'tile-start'; index: number }
  /** Its Worker is gone; the tile will be started again. */
  | { type: 'tile-lost'; index: number }
  | { type: 'tile'; index: number }
  | { type: 'finishing' }
  /** `tiles` are NormNet's, for who wants to see how the masks came about. */
  | { type: 'result'; report: string; files: NamedBytes[]; tiles: Tile[] }
  /** A Worker died. Unless the recovery is `stop`, the work goes on. */
  | { type: 'died'; cause: string; recovery: Recovery; kept: number; worker: 'case' | 'compute' }
  /** The work can't be done and trying again would not change that. */
  | { type: 'failed'; stage: Stage; message: string };

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
