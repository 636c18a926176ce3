/** Late pieces (lazy.ts) that are there already: who has none of their objects in hand need not load them to know it. */
import type * as blob from './blob.ts'
import type { encodeFormData, isFormData } from './form-data.ts'
import type * as messaging from './messaging.ts'
import type * as webSocket from './web-socket.ts'

export interface Loaded {
  blob?: Pick<typeof blob, 'isBlob' | 'bytesOfBlob' | 'cloneBlob'>
  formData?: { isFormData: typeof isFormData; encodeFormData: typeof encodeFormData }
  sockets?: Pick<typeof webSocket, 'isSocket' | 'couple'>
  messaging?: Pick<typeof messaging, 'isPort' | 'movePort'>
}

export const loaded: Loaded = {}
