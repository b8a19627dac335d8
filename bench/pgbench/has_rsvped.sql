-- One look-up; half of them hit. User k is a member of event k / members.
\set k random(0, :rows - 1)
\set event :k / :members
\set user :k + random(0, 1) * :rows
SELECT 1 FROM rsvps WHERE event_id = :event AND user_id = :user;
