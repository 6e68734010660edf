// The file descriptors of this process: whether there are enough of them for new work.
import {readdirSync, readFileSync} from 'node:fs'
import {isOutOfDescriptors, limitIn, shortageOf} from '../../worker/core/descriptors.ts'

const keptMs = 100

/** Tells why there are too few file descriptors for new builds, null when there are enough; it looks ten times a second at most. */
export function openDescriptors(): () => string | null {
  let at = -Infinity
  let last: string | null = null
  return () => {
    if (performance.now() - at >= keptMs) [at, last] = [performance.now(), shortage()]
    return last
  }
}

function shortage(): string | null {
  try {
    const limit = limitIn(readFileSync('/proc/self/limits', 'latin1'))
    return shortageOf(readdirSync('/proc/self/fd').length, limit)
  } catch (error) {
    // Without /proc there is nothing to tell.
    return isOutOfDescriptors(error) ? shortageOf(null, null) : null
  }
}
