"""A recording in the forms that people take along: sound, speakers' tracks, transcripts."""
