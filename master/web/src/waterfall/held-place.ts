// The reader's place on a board that grows at its top.
import {useEffect, useRef, type RefObject} from 'react'
import type {Arrangement} from './arrange.ts'

/** Keeps what the reader looks at in its place while time pushes everything down. */
export function useHeldPlace(scroller: RefObject<HTMLElement | null>, arrangement: Arrangement) {
  const before = useRef(arrangement)
  useEffect(() => {
    const element = scroller.current
    const was = before.current
    before.current = arrangement
    if (
      !element ||
      was === arrangement ||
      element.scrollTop < 12 ||
      was.pixelsPerMs !== arrangement.pixelsPerMs
    )
      return
    const moment = was.scale.timeAt(element.scrollTop)
    const moved = arrangement.scale.y(moment) - was.scale.y(moment)
    if (Math.abs(moved) >= 1) element.scrollTop += moved
  }, [scroller, arrangement])
}
