// Cuts what `pg` writes into exchanges of PostgreSQL's protocol: runs of messages that end with one the server
// answers. Writes may hold parts of a message or several exchanges.

export type Exchange =
  | {readonly say: 'startup'}
  | {readonly say: 'terminate'}
  | {readonly say: 'ask'; readonly bytes: Uint8Array<ArrayBuffer>}

/** Query, Sync, Flush and FunctionCall: after these the client waits for an answer. */
const ends = new Set(['Q', 'S', 'H', 'F'].map((letter) => letter.charCodeAt(0)))
const terminate = 'X'.charCodeAt(0)

/** Returns a function that takes each written chunk and returns the exchanges it completes. */
export function exchangeCutter(): (chunk: Buffer) => Exchange[] {
  let parts: Buffer[] = []
  let held = 0
  let needed = 5
  let started = false
  return (chunk) => {
    parts.push(chunk)
    held += chunk.length
    if (held < needed) return []
    let rest = parts.length === 1 ? chunk : Buffer.concat(parts)
    const found: Exchange[] = []
    let at = 0
    for (;;) {
      const header = started ? 1 : 0
      needed = at + header + 4
      if (rest.length < needed) break
      needed = at + header + rest.readUInt32BE(at + header)
      if (rest.length < needed) break
      const type = rest[at]
      at = needed
      if (!started) found.push({say: 'startup'})
      else if (type === terminate) found.push({say: 'terminate'})
      else if (type !== undefined && ends.has(type))
        found.push({say: 'ask', bytes: new Uint8Array(rest.subarray(0, at))})
      else continue
      started = true
      rest = rest.subarray(at)
      at = 0
    }
    parts = rest.length > 0 ? [rest] : []
    held = rest.length
    return found
  }
}
