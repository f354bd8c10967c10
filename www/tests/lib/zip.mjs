// Packs files into a zip archive, without compressing them.
import { crc32 } from 'node:zlib';

/** `files` are names with bytes. */
export function zip(files) {
  const local = [];
  const central = [];
  let at = 0;
  for (const [name, bytes] of files) {
    // From the version that is needed to the length of the extra field; both kinds of header have it.
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt32LE(crc32(bytes), 10);
    common.writeUInt32LE(bytes.length, 14);
    common.writeUInt32LE(bytes.length, 18);
    common.writeUInt16LE(Buffer.byteLength(name), 22);
    const entry = Buffer.alloc(14);
    entry.writeUInt32LE(at, 10);
    local.push(Buffer.from('PK\x03\x04'), common, Buffer.from(name), bytes);
    central.push(Buffer.concat([Buffer.from('PK\x01\x02'), Buffer.from([20, 0]), common, entry, Buffer.from(name)]));
    at += 4 + common.length + Buffer.byteLength(name) + bytes.length;
  }
  const listing = Buffer.concat(central);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(central.length, 4);
  end.writeUInt16LE(central.length, 6);
  end.writeUInt32LE(listing.length, 8);
  end.writeUInt32LE(at, 12);
  return Buffer.concat([...local, listing, Buffer.from('PK\x05\x06'), end]);
}
