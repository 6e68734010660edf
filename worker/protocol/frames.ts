// How a message becomes a frame and back. Text frames are JSON; a message with a body is one binary frame of
// `u32 little-endian header length + JSON header + body`. Nothing here trusts what it reads.
import type {z} from 'zod'
import {binaryFrameMax, textFrameMax} from './messages.ts'

// The two globals of every platform that the ECMAScript library leaves out.
declare class TextEncoder {
  encode(text: string): Uint8Array
}
declare class TextDecoder {
  constructor(label: string, options: {fatal: boolean})
  decode(bytes: Uint8Array): string
}

/** A frame that breaks the protocol; the message names the field. */
export class FrameFault extends Error {
  override readonly name = 'FrameFault'
}

export interface Framed<M> {
  readonly message: M
  readonly body: Uint8Array | null
}

export const encodeText = (message: object): string => JSON.stringify(message)

export function encodeBinary(message: object, body: Uint8Array): Uint8Array {
  const header = new TextEncoder().encode(JSON.stringify(message))
  const frame = new Uint8Array(4 + header.length + body.length)
  new DataView(frame.buffer).setUint32(0, header.length, true)
  frame.set(header, 4)
  frame.set(body, 4 + header.length)
  return frame
}

/** The message of a text or binary frame. Throws a FrameFault that names what is wrong. */
export function decode<S extends z.ZodType>(shape: S, frame: string | Uint8Array): Framed<z.infer<S>> {
  if (typeof frame === 'string') return {message: parse(shape, frame), body: null}
  if (frame.length > binaryFrameMax) throw new FrameFault(`binary frame of ${frame.length} bytes`)
  if (frame.length < 4) throw new FrameFault('binary frame without a header length')
  const length = new DataView(frame.buffer, frame.byteOffset, frame.byteLength).getUint32(0, true)
  if (length > textFrameMax || 4 + length > frame.length)
    throw new FrameFault(`binary frame of ${frame.length} bytes claims a header of ${length}`)
  return {
    message: parse(shape, text(frame.subarray(4, 4 + length))),
    body: frame.subarray(4 + length),
  }
}

function text(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', {fatal: true}).decode(bytes)
  } catch {
    throw new FrameFault('header is not UTF-8')
  }
}

function parse<S extends z.ZodType>(shape: S, json: string): z.infer<S> {
  if (json.length > textFrameMax) throw new FrameFault(`message of ${json.length} characters`)
  let data: unknown
  try {
    data = JSON.parse(json)
  } catch (error) {
    throw new FrameFault(`not JSON: ${(error as Error).message}`)
  }
  const parsed = shape.safeParse(data)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw new FrameFault(`${issue?.path.join('.') || 'message'}: ${issue?.message ?? 'malformed'}`)
}
