// Starts the web page.
import {QueryClientProvider} from '@tanstack/react-query'
import {StrictMode} from 'react'
import {createRoot} from 'react-dom/client'
import {App} from './app.tsx'
import {answers} from './asking.ts'
import './style/tokens.css'
import './style/base.css'
import './style/frame.css'
import './style/waterfall.css'
import './style/build.css'
import './style/log.css'
import './style/pages.css'

const root = document.getElementById('root')
if (!root) throw new Error('the page has no #root')
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={answers}>
      <App />
    </QueryClientProvider>
  </StrictMode>,
)
