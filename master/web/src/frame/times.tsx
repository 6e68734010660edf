// Moments and durations as the reader's own clock says them.
import {sayAgo, sayDuration} from '../../core/say.ts'
import {useNow} from '../asking.ts'

// Twenty-four hours: the axis has no room for more.
const clock = new Intl.DateTimeFormat(undefined, {hour: '2-digit', minute: '2-digit', hourCycle: 'h23'})
const dayAndClock = new Intl.DateTimeFormat(undefined, {
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
  hourCycle: 'h23',
})
const withYear = new Intl.DateTimeFormat(undefined, {
  dateStyle: 'medium',
  timeStyle: 'short',
  hourCycle: 'h23',
})
const day = new Intl.DateTimeFormat(undefined, {day: 'numeric', month: 'short'})
const full = new Intl.DateTimeFormat(undefined, {dateStyle: 'full', timeStyle: 'long'})

export const sayClock = (at: number) => clock.format(at)
export const sayDay = (at: number) => day.format(at)
/** With its year only when that is another than ours. */
export const sayMoment = (at: number) =>
  (new Date(at).getFullYear() === new Date().getFullYear() ? dayAndClock : withYear).format(at)
export const sayFully = (at: number) => full.format(at)
/** A sentence of the master's, with its moments as this clock says them. */
export const sayMomentsIn = (text: string) =>
  text.replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, (moment) => sayMoment(Date.parse(moment)))
export const isMidnight = (at: number) => {
  const date = new Date(at)
  return date.getHours() === 0 && date.getMinutes() === 0
}

/** How long ago, with the exact moment on hover. */
export const Ago = ({at}: {at: string}) => {
  const now = useNow(20_000)
  const moment = Date.parse(at)
  return (
    <time dateTime={at} title={sayFully(moment)}>
      {sayAgo(Math.max(0, now - moment))}
    </time>
  )
}

/** How long something took, or has been going on. */
export const Took = ({from, to}: {from: string | null; to: string | null}) => {
  if (from === null) return null
  return to === null ? <Going from={from} /> : <>{sayDuration(Date.parse(to) - Date.parse(from))}</>
}

const Going = ({from}: {from: string}) => <>{sayDuration(useNow(1000) - Date.parse(from))}</>
