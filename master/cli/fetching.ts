// Asking a master whose certificate comes from an issuer that the machine does not know: Node's fetch cannot be told of one.
import {readFileSync} from 'node:fs'
import {request} from 'node:https'
import {Readable} from 'node:stream'
import {Ending, exits} from './exits.ts'

export type Fetching = (
  url: URL,
  init: {method: string; headers: Record<string, string>; body?: string},
) => Promise<Response>

/** `fetch`, trusting the certificates in a file besides nobody else, when one is given. */
export function fetching(caFile: string | undefined): Fetching {
  if (caFile === undefined) return fetch
  const ca = readCa(caFile)
  return (url, {method, headers, body}) =>
    url.protocol === 'http:'
      ? fetch(url, {method, headers, ...(body === undefined ? {} : {body})})
      : new Promise((resolve, reject) => {
          const asked = request(url, {method, headers, ca}, (answer) => {
            const status = answer.statusCode ?? 502
            const isEmpty = status === 204 || status === 304
            const type = answer.headers['content-type']
            resolve(
              new Response(isEmpty ? null : (Readable.toWeb(answer) as ReadableStream<Uint8Array>), {
                status,
                headers: type === undefined ? {} : {'content-type': type},
              }),
            )
          })
          asked.on('error', (cause) => {
            reject(new TypeError('fetch failed', {cause}))
          })
          asked.end(body)
        })
}

function readCa(file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    throw new Ending(exits.usage, `--ca: ${(error as Error).message}`)
  }
}
