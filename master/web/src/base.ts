// Where this page lies below its host: the master wrote it into the page.

const told = document.querySelector<HTMLMetaElement>('meta[name="base"]')?.content ?? '/'

/** The path before every address of ours, without a slash at its end: `''`, or such as `/ostler`. */
export const base = told.replace(/\/$/, '')

/** Where this page is, as the routes know it. */
export const ownPath = (): string =>
  location.pathname.startsWith(`${base}/`) ? location.pathname.slice(base.length) : '/'

/** The way to the login, and back to here. */
export const loginAddress = (): string => `/login?back=${encodeURIComponent(ownPath() + location.search)}`
