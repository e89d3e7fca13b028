/** Elementary files of the applet (reference 03, section 3.1). The low byte of the prefixes is the key reference. */
export const fileIds = {
  deviceCertificates: 0x2f02,
  tokenInfo: 0x2f03,
  /** Takes command data that is too long for one command. */
  scratch: 0x2f10,
  keyDescription: 0xc400,
  certificateDescription: 0xc800,
  dataDescription: 0xc900,
  authorityCertificate: 0xca00,
  /** Never readable; deleting it destroys the key. `cc00` is the device key. */
  key: 0xcc00,
  secretData: 0xcd00,
  /** Certificate or request of the key with the same low byte. */
  certificate: 0xce00,
  publicData: 0xcf00,
} as const;
