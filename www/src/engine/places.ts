/**
 * Where the engine's own files lie: the Workers' scripts and the WebAssembly. The build knows. A page that embeds the engine and whose
 * bundler doesn't follow such addresses names the folder instead.
 */
let folder: URL | undefined;

export function placeFiles(address: URL | undefined): void {
  folder = address;
}

/** The file in the folder that was named, if one was. */
export function placed(file: string): URL | undefined {
  return folder === undefined ? undefined : new URL(file, folder);
}
