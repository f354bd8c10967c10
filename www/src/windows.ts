/** Display windows in HU. */

export interface HuWindow {
  width: number;
  level: number;
}

export const WINDOWS = {
  lung: { width: 1500, level: -600 },
  mediastinum: { width: 400, level: 40 },
  bone: { width: 1500, level: 300 },
} satisfies Record<string, HuWindow>;

export type WindowName = keyof typeof WINDOWS;

export function edges(window: HuWindow): { low: number; high: number } {
  return { low: window.level - window.width / 2, high: window.level + window.width / 2 };
}
