// What surrounds every page: the name, the views, who is logged in, and whether what is shown is the present.
import {useQueryClient} from '@tanstack/react-query'
import {useState, type ReactNode} from 'react'
import {Link, useLocation} from 'wouter'
import {act} from '../api.ts'
import {useLiveness} from '../live.ts'
import {whoKey} from '../asking.ts'
import {loginAddress} from '../base.ts'
import {useWho} from '../session.ts'
import {Help} from './help.tsx'
import {useShortcuts} from './keys.ts'

const views = [
  {path: '/', name: 'Waterfall', key: 'w'},
  {path: '/builders', name: 'Builders', key: 'c'},
  {path: '/requests', name: 'Queue', key: 'q'},
  {path: '/promotions', name: 'Promotions', key: 'p'},
  {path: '/workers', name: 'Workers', key: 'k'},
] as const

export function Frame({children}: {children: ReactNode}) {
  const [path, go] = useLocation()
  const [helping, setHelping] = useState(false)
  useShortcuts({
    '?': () => setHelping(true),
    ...Object.fromEntries(views.map((view) => [`g ${view.key}`, () => go(view.path)])),
  })
  return (
    <>
      <a className="skip" href="#main">
        Skip to the page
      </a>
      <header className="top">
        <Name />
        <nav aria-label="Views">
          {views.map((view) => (
            <Link key={view.path} href={view.path} aria-current={isAt(path, view.path) ? 'page' : undefined}>
              {view.name}
            </Link>
          ))}
        </nav>
        <span className="push" />
        <LiveLamp />
        <button
          type="button"
          className="plain help-key"
          onClick={() => setHelping(true)}
          aria-label="Keyboard help"
        >
          ?
        </button>
        <Person />
      </header>
      <LostBanner />
      <main id="main">{children}</main>
      {helping && <Help onClose={() => setHelping(false)} />}
    </>
  )
}

const isAt = (path: string, view: string) =>
  view === '/' ? path === '/' : path === view || path.startsWith(`${view}/`)

function Name() {
  const title = useWho()?.title ?? 'Ostler'
  return (
    <Link href="/" className="name">
      <svg width="20" height="20" viewBox="0 0 32 32" aria-hidden="true">
        <rect width="32" height="32" rx="7" />
        <path d="M9 24c-2-4-2-16 7-17 9 1 9 13 7 17" />
      </svg>
      <span>{title}</span>
    </Link>
  )
}

function LiveLamp() {
  const liveness = useLiveness()
  const words = {live: 'live', connecting: 'connecting', away: 'not live', lost: 'not live'}[liveness]
  return (
    <span className={`lamp lamp-${liveness}`} role="status">
      <i aria-hidden="true" />
      <span>{words}</span>
    </span>
  )
}

function LostBanner() {
  const liveness = useLiveness()
  if (liveness !== 'lost' && liveness !== 'away') return null
  return (
    <div className="banner" role="alert">
      {liveness === 'lost'
        ? 'The master cannot be reached. What you see is old; it goes on by itself as soon as the master answers.'
        : 'The database does not answer. What you see is old; running builds go on, and all is recorded as soon as it answers.'}
    </div>
  )
}

function Person() {
  const who = useWho()
  const client = useQueryClient()
  if (!who) return null
  if (who.name === null)
    return (
      <Link className="person" href={loginAddress()}>
        Log in
      </Link>
    )
  const leave = () => {
    void act.logOut().finally(async () => {
      // First who we are now, so that nothing asks for what we may not see any more; then all that was seen is let go.
      await client.refetchQueries({queryKey: whoKey})
      client.removeQueries({type: 'inactive'})
      void client.resetQueries({predicate: ({queryKey}) => queryKey[0] !== whoKey[0]})
    })
  }
  return (
    <span className="person">
      <span title={`role: ${who.role ?? 'none'}`}>{who.name}</span>
      <button type="button" className="plain" onClick={leave}>
        Log out
      </button>
    </span>
  )
}
