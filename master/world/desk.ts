// What the workers' socket asks of whoever conducts the conversation. The socket is only a door: it checks the token,
// the Origin, the frames and the silence; everything that a message means is decided behind this desk.
import {ownVersions, versionRefusal} from '../../worker/core/versions.ts'
import type {Hello, MasterMessage, Welcome, WorkerMessage} from '../../worker/protocol/messages.ts'

/** The way back to a worker that is connected to this master. */
export interface Session {
  /** Sends a message; one on a closed socket is dropped, as the next hello says anew where both stand. */
  send(message: MasterMessage): void
  close(code: number, reason: string): void
  /** Whether the other side still answers; takes some seconds when it does not. */
  isAlive(): Promise<boolean>
  /** Ends the connection without a word. */
  terminate(): void
  /** Bytes handed to the socket that the network has not taken yet. */
  bufferedBytes(): number
}

export interface Attached {
  /** The number of this session of the worker; a later session has a higher one. */
  readonly session: string
  readonly welcome: Welcome
}
export type Refused = Extract<MasterMessage, {say: 'refused'}>

/** The refusal of a worker that no version of the protocol is shared with; null when one is. */
export function refuseVersion(hello: Hello): Refused | null {
  const text = versionRefusal(hello, ownVersions)
  return text === null ? null : {say: 'refused', code: 'protocol', text}
}

export interface WorkerDesk {
  /**
   * A worker with a right token says hello, and no other session of its name is alive on this master. The door sends
   * the welcome (or the refusal, and closes); `send` may be used as soon as this has resolved.
   */
  attach(hello: Hello, session: Session): Promise<Attached | Refused>
  /**
   * Every message after the hello, in order; the next is not given before the promise of the last has resolved. The
   * door itself answers `beat` with `beaten`; the desk is told it for the skew and the free bytes.
   */
  said(worker: string, session: string, message: WorkerMessage, body: Uint8Array | null): Promise<void>
  /** The socket of this session is gone; called once, after the last `said` has resolved. */
  detached(worker: string, session: string): Promise<void>
}
