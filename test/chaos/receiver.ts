// Somebody who takes letters, and counts how often each came.
import {once} from 'node:events'
import {createServer} from 'node:http'

export interface Letter {
  readonly delivery: string
  readonly event: string
  readonly title: string
}

export class Receiver {
  readonly letters = new Map<string, Letter>()
  /** Letters that came again, as they may when a master dies between posting and writing so down. */
  repeated = 0
  url = ''

  static async open(owner: {teardown(end: () => unknown): void}): Promise<Receiver> {
    const receiver = new Receiver()
    const server = createServer((request, response) => {
      let body = ''
      request.setEncoding('utf8').on('data', (text: string) => (body += text))
      request.on('end', () => {
        const letter = JSON.parse(body) as Letter
        if (receiver.letters.has(letter.delivery)) receiver.repeated++
        receiver.letters.set(letter.delivery, letter)
        response.writeHead(204).end()
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    receiver.url = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}/letters`
    owner.teardown(() => {
      server.closeAllConnections()
      server.close()
    })
    return receiver
  }

  /** What it was told, each letter once, in no order. */
  get told(): string[] {
    return [...this.letters.values()].map(({event, title}) => `${event}: ${title}`).sort()
  }
}
