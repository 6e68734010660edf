// Secrets do not leave the worker in any form that a program may print them in, however the output is cut.
import test from 'ava'
import fc from 'fast-check'
import {maskOf} from '../../../worker/core/mask.ts'

/** Masks a text cut at these places, as a stream is. */
function masked(secrets: readonly string[], pieces: readonly Uint8Array[]): Buffer {
  const mask = maskOf(secrets)
  const out: Uint8Array[] = []
  let tail = Buffer.alloc(0)
  for (const [at, piece] of pieces.entries()) {
    const input = Buffer.concat([tail, piece])
    const {bytes, used} = mask(input, at === pieces.length - 1)
    out.push(Uint8Array.from(bytes))
    tail = Buffer.from(input.subarray(used))
  }
  return Buffer.concat(out)
}

const whole = (secret: string, text: string): string => masked([secret], [Buffer.from(text)]).toString()

const secret = 'p@ss w\'rd/"$x'
const forms: readonly [string, string][] = [
  ['as it is', secret],
  ['in Base64', Buffer.from(secret).toString('base64')],
  ['in Base64 for URLs', Buffer.from(secret).toString('base64url')],
  ['URL-encoded', encodeURIComponent(secret)],
  ['URL-encoded in lower case', encodeURIComponent(secret).replaceAll(/%../g, (code) => code.toLowerCase())],
  ['in JSON', JSON.stringify(secret).slice(1, -1)],
  ['in single quotes of a shell', secret.replaceAll("'", "'\\''")],
]
for (const [how, form] of forms)
  test(`a secret is masked ${how}`, (t) => t.is(whole(secret, `before ${form} after`), 'before *** after'))

test('a secret within a longer Base64 text is masked at each offset', (t) => {
  for (const before of ['', 'u', 'us', 'use', 'user:']) {
    const text = Buffer.from(`${before}token-of-some-length!tail`).toString('base64')
    const shown = Buffer.from(whole('token-of-some-length', text).replaceAll('***', ''), 'base64').toString(
      'latin1',
    )
    t.false(shown.includes('token') || shown.includes('length') || shown.includes('some'))
  }
})

test('a secret of several lines is masked line by line, whatever stands around its lines', (t) => {
  const key = '-----BEGIN KEY-----\nabcdefghij\nklmnopqrst\n-----END KEY-----\n'
  t.is(whole(key, '> abcdefghij\r\n> klmnopqrst\n'), '> ***\r\n> ***\n')
  t.is(whole(key, `[${key.trim()}]`), '[***]')
})

test('what is too short to be secret is left alone', (t) => {
  t.is(whole('ab', 'about'), 'about')
  t.is(whole('first line\nok\nlast line', 'ok'), 'ok')
})

test('the longest of several secrets wins', (t) => {
  t.is(masked(['abc', 'abcdef'], [Buffer.from('xabcdefx abcx')]).toString(), 'x***x ***x')
})

test('output is held back only while it may be the beginning of a secret', (t) => {
  const mask = maskOf(['hunter2'])
  t.is(mask(Buffer.from('all of this'), false).used, 11)
  t.is(mask(Buffer.from('and then hunt'), false).used, 9)
  t.is(mask(Buffer.from('and then hunt'), true).used, 13)
})

test('without secrets the bytes are the very same', (t) => {
  const input = Buffer.from([0, 255, 128, 10])
  t.is(maskOf([])(input, false).bytes, input)
})

test('however the output is cut, the masked text is the same, and no secret is in it', (t) => {
  const letters = fc.constantFrom('a', 'b', 'c', '\n', '=')
  const text = (max: number): fc.Arbitrary<string> =>
    fc.array(letters, {minLength: 3, maxLength: max}).map((all) => all.join(''))
  fc.assert(
    fc.property(
      fc.array(text(7), {minLength: 1, maxLength: 3}),
      fc.array(text(20), {maxLength: 8}),
      fc.array(fc.nat(200), {maxLength: 10}),
      (secrets, parts, cuts) => {
        const input = Buffer.from(
          parts.flatMap((part, at) => [part, secrets[at % secrets.length] ?? '']).join(''),
        )
        const places = [0, ...cuts.map((cut) => cut % (input.length + 1)).sort((x, y) => x - y), input.length]
        const pieces = places.slice(1).map((to, at) => input.subarray(places[at] ?? 0, to))
        const atOnce = masked(secrets, [input])
        t.deepEqual(masked(secrets, pieces), atOnce)
        for (const secret of secrets) if (!'***'.includes(secret)) t.false(atOnce.includes(secret))
      },
    ),
    {numRuns: 1000},
  )
})

test('any bytes go through as they are', (t) => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({maxLength: 50}), {minLength: 1, maxLength: 6}), (pieces) => {
      t.deepEqual(masked(['no such secret here'], pieces), Buffer.concat(pieces))
    }),
  )
})
