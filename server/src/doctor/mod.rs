//! Checks a deployment and says what to mend.
