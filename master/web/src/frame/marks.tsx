// The marks of all states: one shape for each, so that nobody needs to tell red from green.
import type {ReactNode} from 'react'
import {sayTone, type Tone} from '../../core/marks.ts'

const shapes: Record<Tone, ReactNode> = {
  success: (
    <>
      <circle className="ground" cx="8" cy="8" r="7" />
      <path d="M4.6 8.3 7 10.7 11.4 5.6" />
    </>
  ),
  warnings: (
    <>
      <path className="ground" d="M8 1 15.4 14.6H.6Z" />
      <path d="M8 6v4M8 12v.6" />
    </>
  ),
  failure: (
    <>
      <rect className="ground" x="1" y="1" width="14" height="14" rx="2" />
      <path d="m5 5 6 6M11 5l-6 6" />
    </>
  ),
  exception: (
    <>
      <path className="ground" d="M8 .4 15.6 8 8 15.6.4 8Z" />
      <path d="M8 4.4v4.2M8 11.2v.5" />
    </>
  ),
  skipped: (
    <>
      <circle className="ground" cx="8" cy="8" r="7" />
      <path d="m5 5.3 2.7 2.7L5 10.7M8.6 5.3 11.3 8l-2.7 2.7" />
    </>
  ),
  retry: (
    <>
      <circle className="ground" cx="8" cy="8" r="7" />
      <path d="M11.3 8A3.4 3.4 0 1 1 8 4.6h2.4M8.7 2.8l1.9 1.8-1.9 1.8" />
    </>
  ),
  cancelled: (
    <>
      <path className="ground" d="M5 1h6l4 4v6l-4 4H5l-4-4V5Z" />
      <path d="M4.8 8h6.4" />
    </>
  ),
  running: (
    <>
      <circle className="ring" cx="8" cy="8" r="6" />
      <path className="hand" d="M8 2a6 6 0 0 1 6 6" />
    </>
  ),
  pending: <circle className="dots" cx="8" cy="8" r="6" />,
}

/** A state's shape. With `quiet` the word beside it says the same, so screen readers pass over it. */
export const Mark = ({tone, quiet = false, size = 16}: {tone: Tone; quiet?: boolean; size?: number}) => (
  <svg
    className={`mark tone-${tone}`}
    width={size}
    height={size}
    viewBox="0 0 16 16"
    {...(quiet ? {'aria-hidden': true} : {role: 'img', 'aria-label': sayTone(tone)})}
  >
    {shapes[tone]}
  </svg>
)

/** A state's shape and word. */
export const Verdict = ({tone, children}: {tone: Tone; children?: ReactNode}) => (
  <span className={`verdict tone-${tone}`}>
    <Mark tone={tone} quiet />
    {children ?? sayTone(tone)}
  </span>
)
