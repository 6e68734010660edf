// Taking secrets out of output. A secret is found in the forms in which programs print it: as it is, Base64 (at each of
// the three offsets within a longer text, both alphabets), URL-encoded, JSON-escaped and quoted for a shell; a secret of several
// lines also line by line. Secrets shorter than 3 bytes are not masked, nor lines of a longer secret below 5: every other
// word would be stars. What no masker can find: a secret printed in pieces, reversed, or with colour codes inside.
declare class TextEncoder {
  encode(text: string): Uint8Array
}

const secretBytesMin = 3
const lineBytesMin = 5
const base64CharsMin = 6
const stars = new TextEncoder().encode('***')

export interface Masked {
  readonly bytes: Uint8Array
  /** How much of the input is done; the rest may be the beginning of a secret and is to be given again, with more behind it. */
  readonly used: number
}

/** Masks without a state of its own: what was not used comes again, so that any cutting gives the same text. */
export type Mask = (input: Uint8Array, last: boolean) => Masked

/** A masker for these secrets. Of several that match at one place the longest wins. */
export function maskOf(secrets: readonly string[]): Mask {
  const patterns = patternsOf(secrets)
  if (patterns.length === 0) return (input) => ({bytes: input, used: input.length})
  const byPair = new Map<number, Uint8Array[]>()
  const pairs = new Uint8Array(65536)
  const firsts = new Uint8Array(256)
  for (const pattern of patterns) {
    const pair = pairAt(pattern, 0)
    pairs[pair] = 1
    firsts[pattern[0] ?? 0] = 1
    byPair.set(pair, [...(byPair.get(pair) ?? []), pattern])
  }
  return (input, last) => scan(input, last, pairs, firsts, byPair)
}

/** Masks a whole text. */
export function maskText(mask: Mask, text: string, decode: (bytes: Uint8Array) => string): string {
  return decode(mask(new TextEncoder().encode(text), true).bytes)
}

function scan(
  input: Uint8Array,
  last: boolean,
  pairs: Uint8Array,
  firsts: Uint8Array,
  byPair: ReadonlyMap<number, readonly Uint8Array[]>,
): Masked {
  const pieces: Uint8Array[] = []
  const end = input.length
  let from = 0
  let at = 0
  while (at + 1 < end) {
    const pair = ((input[at] as number) << 8) | (input[at + 1] as number)
    if (pairs[pair] === 0) {
      at++
      continue
    }
    const length = longest(byPair.get(pair) ?? [], input, at, last)
    if (length === 'unsure') return joined(pieces, input.subarray(from, at), at)
    if (length === 0) {
      at++
      continue
    }
    pieces.push(input.subarray(from, at), stars)
    at += length
    from = at
  }
  const used = !last && at < end && firsts[input[at] ?? 0] === 1 ? at : end
  return joined(pieces, input.subarray(from, used), used)
}

/** The length of the longest pattern here, 0 for none, `unsure` when more input may make one or a longer one. */
function longest(
  patterns: readonly Uint8Array[],
  input: Uint8Array,
  at: number,
  last: boolean,
): number | 'unsure' {
  for (const pattern of patterns) {
    const here = Math.min(pattern.length, input.length - at)
    let same = 2
    while (same < here && pattern[same] === input[at + same]) same++
    if (same < here) continue
    if (here === pattern.length) return pattern.length
    if (!last) return 'unsure'
  }
  return 0
}

function joined(pieces: Uint8Array[], rest: Uint8Array, used: number): Masked {
  if (pieces.length === 0) return {bytes: rest, used}
  pieces.push(rest)
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    bytes.set(piece, at)
    at += piece.length
  }
  return {bytes, used}
}

/** Longest first, so that the first that matches is the one to take. */
function patternsOf(secrets: readonly string[]): Uint8Array[] {
  const encoder = new TextEncoder()
  const forms = new Set<string>()
  for (const secret of secrets) {
    const lines = secret.split(/\r?\n/)
    const parts = [
      secret,
      secret.trim(),
      ...lines.filter((line) => encoder.encode(line.trim()).length >= lineBytesMin),
    ]
    for (const part of [...parts, ...(lines.length > 1 ? lines.map((line) => line.trim()) : [])]) {
      const bytes = encoder.encode(part)
      const min = part === secret || part === secret.trim() ? secretBytesMin : lineBytesMin
      if (bytes.length < min) continue
      for (const form of formsOf(part, bytes)) forms.add(form)
    }
  }
  return [...forms]
    .map((form) => encoder.encode(form))
    .filter(({length}) => length >= secretBytesMin)
    .sort((a, b) => b.length - a.length)
}

function formsOf(text: string, bytes: Uint8Array): string[] {
  const json = JSON.stringify(text).slice(1, -1)
  const forms = [
    text,
    json,
    json.replaceAll('/', '\\/'),
    text.replaceAll("'", "'\\''"),
    text.replaceAll("'", "'\"'\"'"),
    text.replaceAll(/[^A-Za-z0-9_./:=@%+,-]/g, '\\$&'),
    text.replaceAll(/[\\"$`]/g, '\\$&'),
    ...base64Forms(bytes),
  ]
  const url = urlEncoded(text)
  if (url !== null) {
    const strict = url.replaceAll(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
    for (const form of [url, strict, encodeURI(text)])
      forms.push(
        form,
        form.replaceAll('%20', '+'),
        form.replaceAll(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()),
      )
  }
  return forms
}

/** null for text with half a surrogate pair, which no URL can hold. */
function urlEncoded(text: string): string | null {
  try {
    return encodeURIComponent(text)
  } catch {
    return null
  }
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

/** The whole in Base64, and what of it shows wherever the secret stands within an encoded text. */
function base64Forms(bytes: Uint8Array): string[] {
  const forms: string[] = []
  const whole = base64(bytes)
  if (whole.length >= base64CharsMin) forms.push(whole, whole.replaceAll('=', ''))
  for (const offset of [0, 1, 2]) {
    const shifted = new Uint8Array(offset + bytes.length)
    shifted.set(bytes, offset)
    const core = base64(shifted).slice(Math.ceil((offset * 8) / 6), Math.floor((shifted.length * 8) / 6))
    if (core.length >= base64CharsMin) forms.push(core)
  }
  return [...forms, ...forms.map((form) => form.replaceAll('+', '-').replaceAll('/', '_'))]
}

function base64(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += 3) {
    const [a = 0, b = 0, c = 0] = bytes.subarray(at, at + 3)
    const word = (a << 16) | (b << 8) | c
    const chars = [18, 12, 6, 0].map((shift) => alphabet[(word >> shift) & 63] ?? '')
    text += chars
      .slice(0, Math.min(4, bytes.length - at + 1))
      .join('')
      .padEnd(4, '=')
  }
  return text
}

const pairAt = (bytes: Uint8Array, at: number): number => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
