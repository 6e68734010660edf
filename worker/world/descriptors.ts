// This process's file descriptors: whether there are enough of them, and waiting until there are.
import {readdirSync, readFileSync} from 'node:fs'
import {setTimeout as sleep} from 'node:timers/promises'
import {descriptorsMin, isOutOfDescriptors, limitIn, shortageOf} from '../core/descriptors.ts'

const againMs = 500

/** Why there are too few file descriptors for new work; null when there are enough. The limit may change at any time. */
export function descriptorShortage(min = descriptorsMin): string | null {
  try {
    const limit = limitIn(readFileSync('/proc/self/limits', 'latin1'))
    return shortageOf(readdirSync('/proc/self/fd').length, limit, min)
  } catch (error) {
    // Without /proc there is nothing to tell.
    return isOutOfDescriptors(error) ? shortageOf(null, null) : null
  }
}

/** Does something, again and again while there is no file descriptor for it. */
export async function patiently<T>(act: () => T | Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await act()
    } catch (error) {
      if (!isOutOfDescriptors(error)) throw error
      await sleep(againMs)
    }
  }
}
