// PostgreSQL's messages on the wire, cut out of the bytes as they come: a type, a length, a body.

export interface Message {
  /** Empty for the startup message, which has none. */
  readonly type: string
  readonly body: Buffer
}

const nothing = Buffer.alloc(0)

export class Reader {
  private rest: Buffer = nothing
  private isStartup: boolean

  /** The client's side begins with a message without a type. */
  constructor({hasStartup}: {hasStartup: boolean}) {
    this.isStartup = hasStartup
  }

  /** The messages that are whole now. */
  read(bytes: Buffer): Message[] {
    this.rest = this.rest.length === 0 ? bytes : Buffer.concat([this.rest, bytes])
    const messages: Message[] = []
    for (let message = this.take(); message; message = this.take()) messages.push(message)
    return messages
  }

  private take(): Message | null {
    const head = this.isStartup ? 0 : 1
    if (this.rest.length < head + 4) return null
    const end = head + this.rest.readUInt32BE(head)
    if (this.rest.length < end) return null
    const type = this.rest.toString('latin1', 0, head)
    const body = this.rest.subarray(head + 4, end)
    this.rest = this.rest.subarray(end)
    this.isStartup = false
    return {type, body}
  }
}
