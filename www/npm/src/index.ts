export * from './api.ts';
export { createEngine } from './engine.ts';
