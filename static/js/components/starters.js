// Texts to begin a campaign with. Each says in its first sentence who is calling and that it is automated, and at its end
// how to be called no more; key 1 is yes, 2 is no and 9 is never again, on every call.

const STOP = 'To be taken off our list, press 9.';
const MANNERS =
  'Say that you are an automated assistant when you are asked. Be brief and polite, keep to this matter, never argue, ' +
  'never ask for passwords or card numbers, and end the call at once when the person wants that.';

/**
 * What a campaign begins with.
 * @type {Array<{key: string, label: string, words: string, icon: string, script: (who: string) => string, fallback: (who: string) => string|null, prompt: (who: string) => string, criteria: string}>}
 */
export const STARTERS = [
  {
    key: 'reminder',
    label: 'Appointment reminder',
    words: 'Press 1 to confirm, 2 to cancel',
    icon: 'calendar-clock',
    script: (who) =>
      `Hello {first_name|there}, this is an automated call from ${who}. You have an appointment with us on ` +
      `{appointment_date} at {appointment_time}. To confirm it, press 1. If you cannot come, press 2. ${STOP}`,
    // Without variables: what a machine is told, others hear too.
    fallback: (who) =>
      `Hello, this is an automated message from ${who} about your appointment with us. Please call us if you cannot ` +
      'come. If you want no more of these calls, tell us so and we take you off our list.',
    prompt: (who) => `You call for ${who} to confirm or cancel one appointment. ${MANNERS}`,
    criteria: 'The person confirms the appointment by pressing 1',
  },
  {
    key: 'survey',
    label: 'Short survey',
    words: 'One question, yes or no',
    icon: 'activity',
    script: (who) =>
      `Hello {first_name|there}, this is an automated call from ${who} with one short question. Were you content with ` +
      `us the last time? For yes, press 1. For no, press 2. ${STOP} Thank you for your time.`,
    fallback: () => null,
    prompt: (who) => `You call for ${who} to ask one question, and thank the person for the answer. ${MANNERS}`,
    criteria: 'The person was content and presses 1',
  },
  {
    key: 'notice',
    label: 'Announcement',
    words: 'One message, also on voicemail',
    icon: 'megaphone',
    script: (who) =>
      `Hello {first_name|there}, this is an automated call from ${who}. We want to let you know: {message}. You need ` +
      `not do anything. ${STOP} Thank you, and goodbye.`,
    fallback: (who) =>
      `Hello, this is an automated message from ${who}. We want to let you know: {message}. If you want no more of ` +
      'these calls, tell us so and we take you off our list.',
    prompt: (who) => `You call for ${who} to deliver one message, and answer short questions about it. ${MANNERS}`,
    criteria: 'message_left',
  },
  {
    key: 'blank',
    label: 'My own text',
    words: 'Only who calls and how to stop it',
    icon: 'file-text',
    script: (who) => `Hello {first_name|there}, this is an automated call from ${who}. ${STOP}`,
    fallback: () => null,
    prompt: (who) => `You call for ${who}. ${MANNERS}`,
    criteria: 'call_completed',
  },
];
