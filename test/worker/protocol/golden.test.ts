// The wire as it was first spoken. These files are never edited: what was once valid stays valid, and means the same.
import {readFileSync} from 'node:fs'
import test from 'ava'
import {decode, encodeBinary, encodeText, FrameFault} from '../../../worker/protocol/frames.ts'
import {masterMessageShape, workerMessageShape} from '../../../worker/protocol/messages.ts'

const golden = (name: string): object[] =>
  JSON.parse(
    readFileSync(new URL(`../../../../test/worker/protocol/golden/${name}`, import.meta.url), 'utf8'),
  ) as object[]

for (const [name, shape] of [
  ['worker-1.json', workerMessageShape],
  ['worker-1b.json', workerMessageShape],
  ['master-1.json', masterMessageShape],
] as const)
  test(`every message of ${name} is still understood, whole`, (t) => {
    for (const message of golden(name)) {
      t.deepEqual(decode<typeof shape>(shape, encodeText(message)).message as object, message)
      const framed = decode<typeof shape>(
        shape,
        encodeBinary({...message, later: 'unknown'}, new Uint8Array([1, 2])),
      )
      t.deepEqual([framed.message as object, [...(framed.body ?? [])]], [message, [1, 2]])
    }
  })

test('a frame that breaks the protocol is a fault that says what is wrong', (t) => {
  const frames: readonly [string | Uint8Array, RegExp][] = [
    ['{', /not JSON/],
    ['{"say":"accept","attempt":"x"}', /attempt/],
    ['{"say":"accept","attempt":"1'.padEnd(5_000_000, '1'), /characters/],
    [new Uint8Array([1]), /header length/],
    [new Uint8Array([255, 255, 255, 255, 1]), /claims a header/],
    [encodeBinary({say: 'beat'}, new Uint8Array(9_000_000)), /binary frame of/],
    [new Uint8Array([2, 0, 0, 0, 0xc3, 0x28]), /UTF-8/],
  ]
  for (const [frame, message] of frames)
    t.throws(() => decode(workerMessageShape, frame), {instanceOf: FrameFault, message})
})
