/** Loaded before a command of the guide: it is `GUIDE_NOW`, and stays so. */
const nowMs = Date.parse(process.env['GUIDE_NOW'] ?? '');
Date.now = () => nowMs;
