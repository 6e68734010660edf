// A zip archive of a few files, byte for byte the same for the same files: no times, no order of chance. Plain Node.
import {crc32, deflateRawSync} from 'node:zlib'

/** The first day that a zip file can name. */
const date = (1 << 5) | 1

/** The archive of these files, `{name, bytes, mode}` each. */
export function zip(files) {
  const bodies = []
  const entries = []
  let offset = 0
  for (const {name, bytes, mode} of [...files].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const packed = deflateRawSync(bytes, {level: 9})
    const what = {name: Buffer.from(name), packed, crc: crc32(bytes), size: bytes.length, mode, offset}
    const body = Buffer.concat([localHeader(what), what.name, packed])
    bodies.push(body)
    entries.push(Buffer.concat([directoryHeader(what), what.name]))
    offset += body.length
  }
  const directory = Buffer.concat(entries)
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50, 0)
  end.writeUInt16LE(entries.length, 8)
  end.writeUInt16LE(entries.length, 10)
  end.writeUInt32LE(directory.length, 12)
  end.writeUInt32LE(offset, 16)
  return Buffer.concat([...bodies, directory, end])
}

function localHeader(what) {
  const header = Buffer.alloc(30)
  header.writeUInt32LE(0x04034b50, 0)
  header.writeUInt16LE(20, 4)
  writeShared(header, 6, what)
  return header
}

function directoryHeader(what) {
  const header = Buffer.alloc(46)
  header.writeUInt32LE(0x02014b50, 0)
  header.writeUInt16LE((3 << 8) | 20, 4) // made on Unix: the mode below counts
  header.writeUInt16LE(20, 6)
  writeShared(header, 8, what)
  header.writeUInt32LE(((0o100000 | what.mode) << 16) >>> 0, 38)
  header.writeUInt32LE(what.offset, 42)
  return header
}

function writeShared(header, at, {name, packed, crc, size}) {
  header.writeUInt16LE(0, at)
  header.writeUInt16LE(8, at + 2) // deflated
  header.writeUInt16LE(0, at + 4)
  header.writeUInt16LE(date, at + 6)
  header.writeUInt32LE(crc, at + 8)
  header.writeUInt32LE(packed.length, at + 12)
  header.writeUInt32LE(size, at + 16)
  header.writeUInt16LE(name.length, at + 20)
}
