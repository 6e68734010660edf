// Times, durations and sizes in words, as short as they can be said.

/** `0.4 s`, `12 s`, `3 min 04 s`, `2 h 05 min`, `3 d 4 h`. */
export function sayDuration(ms: number): string {
  const seconds = Math.max(0, ms) / 1000
  if (seconds < 1) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  if (whole < 60) return `${String(whole)} s`
  const minutes = Math.floor(whole / 60)
  if (minutes < 60) return `${String(minutes)} min ${two(whole % 60)} s`
  const hours = Math.floor(minutes / 60)
  if (hours < 48) return `${String(hours)} h ${two(minutes % 60)} min`
  return `${String(Math.floor(hours / 24))} d ${String(hours % 24)} h`
}

/** The same in one unit, for narrow places: `12s`, `3m`, `2h`, `3d`. */
export function sayBriefly(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000))
  if (seconds < 60) return `${String(seconds)}s`
  if (seconds < 5400) return `${String(Math.round(seconds / 60))}m`
  if (seconds < 172_800) return `${String(Math.round(seconds / 3600))}h`
  return `${String(Math.round(seconds / 86_400))}d`
}

/** `just now`, `5 min ago`, `in 2 h`. */
export function sayAgo(ms: number): string {
  const distance = Math.abs(ms)
  if (distance < 45_000) return ms < 0 ? 'in a moment' : 'just now'
  const text =
    distance < 5_400_000
      ? `${String(Math.round(distance / 60_000))} min`
      : distance < 172_800_000
        ? `${String(Math.round(distance / 3_600_000))} h`
        : `${String(Math.round(distance / 86_400_000))} days`
  return ms < 0 ? `in ${text}` : `${text} ago`
}

const units = ['B', 'KB', 'MB', 'GB', 'TB']

/** `17 B`, `2.3 KB`, `410 MB`. */
export function sayBytes(bytes: number): string {
  let [value, unit] = [bytes, 0]
  while (value >= 1000 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1]
  return `${unit === 0 || value >= 100 ? String(Math.round(value)) : value.toFixed(1)} ${String(units[unit])}`
}

/** `1 build`, `3 builds`. */
export const sayCount = (count: number, noun: string) =>
  `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`

/** A revision as people say it: ten characters of an object name, anything else whole. */
export const shortRevision = (revision: string) =>
  /^[0-9a-f]{40,64}$/.test(revision) ? revision.slice(0, 10) : revision

/** The first line of a message. */
export const subjectOf = (message: string) => message.slice(0, 1000).split('\n', 1).join('').slice(0, 300)

/** A name without its address. */
export const authorName = (author: string) => author.replace(/\s*<[^>]*>\s*$/, '') || author

const two = (value: number) => String(value).padStart(2, '0')
