-- Files to a partner are the partner's to fetch.

CREATE POLICY partner_reads ON edi_file FOR SELECT USING (partner = current_tenant());
ALTER POLICY owner_alone ON edi_file RENAME TO owner_all;
