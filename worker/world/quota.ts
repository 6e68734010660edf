// The room that the output of one build has on this disk while the master does not take it.
import {statfsSync} from 'node:fs'
import type {SpoolPolicy} from '../core/backlog.ts'
import type {Mark, Journal} from './spool.ts'

/** What may wait on this disk, as the worker was told. */
export interface SpoolRule {
  /** Of one build. */
  readonly shareBytes: number
  readonly policy: SpoolPolicy
}

/** Compressed bytes of a build's log that may be under way to the master before its output is left unread. */
const windowBytes = 8 * 1024 * 1024
/** However full the journal is, each step may have this much. */
const roomMin = 64 * 1024
/** The master takes nothing any more when it has taken nothing for so long: a restart of it is shorter. */
const stalledMs = 10_000

export class Quota {
  readonly policy: SpoolPolicy
  readonly shareBytes: number
  /** Bytes that were cut out of the output of this build, in this life of the worker. */
  cutBytes = 0
  isHolding = false
  /** The least that was free on the disk when it was looked at during the step, in bytes. */
  leastFree = Infinity
  private readonly journal: Journal
  private readonly parts = new Map<Mark['part'], {unread: number; isCut: boolean}>()
  /** By the clock that nobody sets. */
  private movedAt = performance.now()

  constructor(journal: Journal, {shareBytes, policy}: SpoolRule) {
    this.journal = journal
    this.shareBytes = shareBytes
    this.policy = policy
  }

  /** False while the journal has enough: reading then waits, and the step's file holds the rest. */
  mayRead(): boolean {
    return this.journal.unappliedBytes < Math.min(windowBytes, this.shareBytes / 2)
  }

  /** Bytes of output that may lie unread. */
  get room(): number {
    return Math.max(roomMin, this.shareBytes - this.journal.unappliedBytes)
  }

  get isStalled(): boolean {
    const {applied, last} = this.journal
    return applied < last && performance.now() - this.movedAt > stalledMs
  }

  /**
   * Looks how much is free on the disk of a file: before any of it is given back, and when the step is over. What a step met
   * could not be told later. `given`: so many bytes were given back just now, while the step may have met a full disk.
   */
  noteFree(path: string, given = 0): void {
    try {
      const {bavail, bsize} = statfsSync(path)
      this.leastFree = Math.min(this.leastFree, bavail * bsize - given)
    } catch {
      // Then it is as if nobody had looked.
    }
  }

  /** The master has taken something, or had nothing to take until now. */
  moved(): void {
    this.movedAt = performance.now()
  }

  /** So much of a part of the running step's output is unread, and something in it is cut. */
  note(part: Mark['part'], unread: number, isCut: boolean): void {
    this.parts.set(part, {unread, isCut})
  }

  /** Bytes that wait here for the master. */
  get bytes(): number {
    return [...this.parts.values()].reduce((sum, {unread}) => sum + unread, this.journal.unappliedBytes)
  }

  get isCutting(): boolean {
    return [...this.parts.values()].some(({isCut}) => isCut)
  }

  /** A step begins: what earlier ones met is no matter of its own. */
  begin(): void {
    this.leastFree = Infinity
  }

  /** No step runs: nothing is unread, held or being cut. */
  rest(): void {
    this.parts.clear()
    this.isHolding = false
  }
}
