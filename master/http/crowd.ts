// When a thousand workers dial at once, their connections are let in some at a time: what one turn of the event loop
// has to do stays short, and the others wait where they are, in the kernel.
import type {Server} from 'node:http'
import type {Socket} from 'node:net'

/** Connections that are let in by one turn of the event loop. */
const atOnce = 16

/** Puts a queue before a server that does not listen yet. */
export function queueCrowds(server: Server): void {
  const listeners = server.listeners('connection') as ((this: Server, socket: Socket) => void)[]
  const waiting: Socket[] = []
  server.removeAllListeners('connection')
  Object.assign(server, {pauseOnConnect: true})
  const letIn = () => {
    for (const socket of waiting.splice(0, atOnce)) {
      for (const listener of listeners) listener.call(server, socket)
      socket.resume()
    }
    if (waiting.length > 0) setImmediate(letIn)
  }
  server.on('connection', (socket: Socket) => {
    if (waiting.push(socket) === 1) setImmediate(letIn)
  })
}
