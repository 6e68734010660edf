// The room on the disk: how much there is, and a reserve that lets the last words be written when there is none.
import {rmSync, statfsSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'

const reserveBytes = 1024 * 1024

export class Disk {
  private readonly dir: string
  private readonly reserve: string
  private hasReserve = false

  constructor(stateDir: string) {
    this.dir = stateDir
    this.reserve = join(stateDir, 'reserve')
    this.keepReserve()
  }

  freeBytes(): number | null {
    try {
      const {bavail, bsize} = statfsSync(this.dir)
      return bavail * bsize
    } catch {
      return null
    }
  }

  /** Puts the reserve back when there is room for it. */
  keepReserve(): void {
    if (this.hasReserve || (this.freeBytes() ?? 0) < 4 * reserveBytes) return
    try {
      writeFileSync(this.reserve, Buffer.alloc(reserveBytes))
      this.hasReserve = true
    } catch {
      rmSync(this.reserve, {force: true})
    }
  }

  /** Gives the reserve away; false when it was given before. */
  readonly makeRoom = (): boolean => {
    if (!this.hasReserve) return false
    rmSync(this.reserve, {force: true})
    this.hasReserve = false
    return true
  }
}
