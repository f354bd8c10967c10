// Writes a scan as a DICOM series: explicit VR, little endian, one CT image a slice, nothing that is not needed.
const EXPLICIT_LITTLE = '1.2.840.10008.1.2.1';
const STUDY = '1.2.840.99999.7';
const FRAME_OF_REFERENCE = '1.2.840.99999.8';
const CT_IMAGE = '1.2.840.10008.5.1.4.1.1.2';
/** VRs whose length takes four bytes, behind two that are empty. */
const LONG = new Set(['OB', 'OW']);

function element(group, number, vr, value) {
  let bytes = typeof value === 'number' ? Buffer.from(Uint16Array.of(value).buffer) : Buffer.from(value);
  // Every value has an even length: a UID is filled up with zero, other text with a space.
  if (bytes.length % 2 === 1) bytes = Buffer.concat([bytes, Buffer.from(vr === 'UI' ? '\0' : ' ')]);
  const head = Buffer.alloc(LONG.has(vr) ? 12 : 8);
  head.writeUInt16LE(group, 0);
  head.writeUInt16LE(number, 2);
  head.write(vr, 4, 'latin1');
  if (LONG.has(vr)) head.writeUInt32LE(bytes.length, 8);
  else head.writeUInt16LE(bytes.length, 6);
  return Buffer.concat([head, bytes]);
}

function file(elements) {
  const meta = [
    element(2, 1, 'OB', Uint8Array.of(0, 1)),
    element(2, 2, 'UI', CT_IMAGE),
    element(2, 0x10, 'UI', EXPLICIT_LITTLE),
  ];
  const length = Buffer.alloc(4);
  length.writeUInt32LE(Buffer.concat(meta).length);
  return Buffer.concat([Buffer.alloc(128), Buffer.from('DICM'), element(2, 0, 'UL', length), ...meta, ...elements]);
}

/** Axis or place in RAS as DICOM has it, in LPS. */
const lps = ([x, y, z]) => [-x, -y, z];
const joined = (values) => values.map((value) => value.toFixed(6)).join('\\');

/** The files of a series by name. `scan` is what `readScan` gives; of its slices every `every`th is taken. */
export function dicomSeries({ dims, affine, hu }, { uid, description, kernel = 'B70f', every = 1, date = '' }) {
  const [columns, rows, count] = dims;
  const axis = (c) => affine.map((row) => row[c]);
  const size = (c) => Math.hypot(...axis(c));
  const direction = (c) => axis(c).map((value) => value / size(c));
  const files = new Map();
  for (let k = 0; k < count; k += every) {
    const stored = hu.slice(k * columns * rows, (k + 1) * columns * rows);
    const place = affine.map((row) => row[3] + k * row[2]);
    const bytes = file([
      element(8, 8, 'CS', 'ORIGINAL\\PRIMARY\\AXIAL'),
      element(8, 0x16, 'UI', CT_IMAGE),
      element(8, 0x18, 'UI', `${uid}.${k + 1}`),
      element(8, 0x20, 'DA', date),
      element(8, 0x60, 'CS', 'CT'),
      element(8, 0x103e, 'LO', description),
      element(0x10, 0x10, 'PN', 'Doe^Jane'),
      element(0x18, 0x50, 'DS', (size(2) * every).toFixed(3)),
      element(0x18, 0x1210, 'SH', kernel),
      element(0x20, 0xd, 'UI', STUDY),
      element(0x20, 0xe, 'UI', uid),
      element(0x20, 0x13, 'IS', String(k + 1)),
      element(0x20, 0x32, 'DS', joined(lps(place))),
      element(0x20, 0x37, 'DS', joined([...lps(direction(0)), ...lps(direction(1))])),
      element(0x20, 0x52, 'UI', FRAME_OF_REFERENCE),
      element(0x28, 2, 'US', 1),
      element(0x28, 4, 'CS', 'MONOCHROME2'),
      element(0x28, 0x10, 'US', rows),
      element(0x28, 0x11, 'US', columns),
      element(0x28, 0x30, 'DS', joined([size(1), size(0)])),
      element(0x28, 0x100, 'US', 16),
      element(0x28, 0x101, 'US', 16),
      element(0x28, 0x102, 'US', 15),
      element(0x28, 0x103, 'US', 1), // signed
      element(0x28, 0x1052, 'DS', '0'),
      element(0x28, 0x1053, 'DS', '1'),
      element(0x7fe0, 0x10, 'OW', new Uint8Array(stored.buffer)),
    ]);
    // Names in no order, as exports have them.
    files.set(`IM${String((k * 7919) % 10007).padStart(5, '0')}`, bytes);
  }
  return files;
}
