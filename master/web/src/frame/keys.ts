// Keyboard shortcuts: single keys, and two keys after one another such as `g w`.
import {useEffect, useRef} from 'react'

const sequenceMs = 1200

/** Listens for keys while the component is shown. Keys typed into fields, or with Ctrl, Alt or Meta, are left alone. */
export function useShortcuts(shortcuts: Readonly<Record<string, () => void>>) {
  const current = useRef(shortcuts)
  useEffect(() => {
    current.current = shortcuts
  })
  useEffect(() => {
    let first = ''
    let timer: ReturnType<typeof setTimeout> | undefined
    const press = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || isTyping(event.target))
        return
      if (document.querySelector('dialog[open]')) return
      const whole = first === '' ? event.key : `${first} ${event.key}`
      clearTimeout(timer)
      const begins =
        first === '' && Object.keys(current.current).some((key) => key.startsWith(`${event.key} `))
      const isSequence = first !== ''
      first = begins ? event.key : ''
      if (begins) timer = setTimeout(() => (first = ''), sequenceMs)
      const run = current.current[whole]
      if (!run) return
      // `g` after which another listener of this page also waits for its second key.
      if (!isSequence && waitsForSecond) return
      event.preventDefault()
      run()
    }
    const note = (event: KeyboardEvent) => {
      if (event.key === 'g') {
        waitsForSecond = true
        setTimeout(() => (waitsForSecond = false), sequenceMs)
      } else if (event.key !== 'Shift') setTimeout(() => (waitsForSecond = false), 0)
    }
    addEventListener('keydown', press)
    addEventListener('keydown', note)
    return () => {
      removeEventListener('keydown', press)
      removeEventListener('keydown', note)
      clearTimeout(timer)
    }
  }, [])
}

/** Several components listen; between `g` and the key after it, single keys are not theirs. */
let waitsForSecond = false

const isTyping = (target: EventTarget | null) =>
  target instanceof HTMLElement &&
  (target.isContentEditable || ['INPUT', 'TEXTAREA', 'SELECT'].includes(target.tagName))
