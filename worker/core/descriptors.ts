// When a process has too few file descriptors left for new work. What runs needs some: to write its log, to start its next
// step, to dial again.

/** Below this many free descriptors no new work is taken. */
export const descriptorsMin = 64
/** A build that runs may use the rest: below this many its next step waits. */
export const descriptorsForStep = 16

/** The soft limit in the text of `/proc/PID/limits`; null when there is none. */
export function limitIn(limits: string): number | null {
  const [, soft] = /^Max open files +(\d+|unlimited) /m.exec(limits) ?? []
  return soft === undefined || soft === 'unlimited' ? null : Number(soft)
}

/** Why no new work is taken, for people; null when there are enough. `open` is null when not even that could be counted. */
export function shortageOf(open: number | null, limit: number | null, min = descriptorsMin): string | null {
  const remedy = 'raise its limit of open files (LimitNOFILE= in systemd, ulimit -n)'
  if (open === null) return `it has no file descriptor left: ${remedy}`
  if (limit === null || limit - open >= min) return null
  return `${open} of its ${limit} file descriptors are in use, and ${min} must be free: ${remedy}`
}

/** Whether a system call failed for want of descriptors, of the process or of the whole machine. */
export const isOutOfDescriptors = (error: unknown): boolean =>
  ['EMFILE', 'ENFILE'].includes((error as {code?: string} | null)?.code ?? '')
