// Logs and artifacts as plain files, in a master's state directory or one that several share.
import {readdir, rm} from 'node:fs/promises'
import path from 'node:path'
import {ArtifactFiles, type Artifacts} from './artifacts.ts'
import {LogFiles, type Logs} from './logs.ts'

export interface Files {
  readonly logs: Logs
  readonly artifacts: Artifacts
}

const rooms = ['logs', 'artifacts'] as const
export const roomOf = (stateDir: string, room: (typeof rooms)[number]): string => path.join(stateDir, room)

export const openFiles = (stateDir: string): Files => ({
  logs: new LogFiles(roomOf(stateDir, 'logs')),
  artifacts: new ArtifactFiles(roomOf(stateDir, 'artifacts')),
})

/** The directories of logs and artifacts that hold something. */
export async function filledRooms(stateDir: string): Promise<string[]> {
  const filled: string[] = []
  for (const room of rooms) {
    const names = await readdir(roomOf(stateDir, room)).catch(() => [])
    if (names.length > 0) filled.push(roomOf(stateDir, room))
  }
  return filled
}

/** Removes all logs and artifacts of a state directory. */
export async function clearRooms(stateDir: string): Promise<void> {
  for (const room of rooms) await rm(roomOf(stateDir, room), {recursive: true, force: true})
}
