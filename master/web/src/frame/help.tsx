// What every key does and what every mark means.
import type {Tone} from '../../core/marks.ts'
import {sayTone} from '../../core/marks.ts'
import {Dialog} from './dialog.tsx'
import {Mark} from './marks.tsx'

const keys: readonly [string, string][] = [
  ['j  k', 'the build before, after (down and up in time)'],
  ['h  l', 'the builder to the left, right'],
  ['n  p', 'the failure before, after'],
  ['Enter', 'open what is selected; again for its page'],
  ['r', 'build it again'],
  ['x', 'cancel it'],
  ['+  -', 'look closer, further'],
  ['Esc', 'close the side panel'],
  ['/', 'filter, or search in a log'],
  ['g w', 'waterfall'],
  ['g c', 'builders'],
  ['g q', 'queue'],
  ['g p', 'promotions'],
  ['g k', 'workers'],
  ['f  G', 'in a log: follow, jump to the end'],
  ['?', 'this'],
]

const tones: readonly Tone[] = [
  'success',
  'warnings',
  'failure',
  'exception',
  'cancelled',
  'retry',
  'skipped',
  'running',
  'pending',
]

export const Help = ({onClose}: {onClose: () => void}) => (
  <Dialog title="Keys and marks" onClose={onClose}>
    <div className="help">
      <dl>
        {keys.map(([key, text]) => (
          <div key={key}>
            <dt>
              {key.split('  ').map((one) => (
                <kbd key={one}>{one}</kbd>
              ))}
            </dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
      <ul>
        {tones.map((tone) => (
          <li key={tone}>
            <Mark tone={tone} quiet /> {sayTone(tone)}
          </li>
        ))}
      </ul>
    </div>
  </Dialog>
)
