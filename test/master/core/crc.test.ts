import {crc32} from 'node:zlib'
import test from 'ava'
import fc from 'fast-check'
import {combineCrc} from '../../../master/core/crc.ts'

test('the checksum of a whole follows from those of its parts', (t) => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({maxLength: 300}), {maxLength: 12}), (pieces) => {
      const combined = pieces.reduce((crc, piece) => combineCrc(crc, crc32(piece), piece.length), 0)
      return combined === crc32(Buffer.concat(pieces))
    }),
  )
  t.pass()
})
