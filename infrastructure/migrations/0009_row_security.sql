-- The role in which the API reads what is about persons: it owns nothing, logs in nowhere, and row-level security holds
-- for it. What it may read is granted, and walled, with each build of a projection (projections/walls.py).
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'unisson_reader') THEN
        CREATE ROLE unisson_reader NOLOGIN;
    END IF;
    BEGIN
        SET LOCAL ROLE unisson_reader;
        RESET ROLE;
    EXCEPTION WHEN insufficient_privilege THEN
        EXECUTE format('GRANT unisson_reader TO %I', current_user);
    END;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE EXCEPTION 'The role unisson_reader is missing, or % may not act as it.', current_user
        USING HINT = format('Once, as a superuser: CREATE ROLE unisson_reader NOLOGIN; GRANT unisson_reader TO %I;', current_user);
END $$;

-- A function answers whoever calls it unless told otherwise: none is for the reader.
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
